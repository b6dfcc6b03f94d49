import { Metadata, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { RpcError } from './rpc-error.ts';

/** One unary call to a server of ours, by the type of its request. */
export type Call<Request> = ServerUnaryCall<Request, unknown>;

export interface UnaryHandlerOptions {
  /** Ids of one response: in the headers of a message, in the trailers of an error. */
  readonly responseIds: () => Readonly<Record<string, string>>;
  /** Called with what was thrown and is no RpcError; callers see INTERNAL without its words. */
  readonly failed?: (error: unknown) => void;
}

/** A grpc-js handler made of an async function that returns the response or throws an RpcError. */
export function unaryHandler<Request, Response>(
  handle: (call: Call<Request>) => Promise<Response>,
  { responseIds, failed }: UnaryHandlerOptions,
) {
  return (call: Call<Request>, callback: sendUnaryData<Response>): void => {
    const ids = new Metadata();
    for (const [name, value] of Object.entries(responseIds())) ids.set(name, value);
    const respond = async () => {
      try {
        const response = await handle(call);
        call.sendMetadata(ids);
        callback(null, response);
      } catch (error) {
        if (error instanceof RpcError) {
          ids.merge(error.metadata);
          callback({ code: error.code, details: error.details, metadata: ids });
        } else {
          failed?.(error);
          callback({ code: status.INTERNAL, details: 'the server failed', metadata: ids });
        }
      }
    };
    void respond();
  };
}
