import { randomBytes, randomUUID } from 'node:crypto';
import { Metadata, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { RpcError } from './rpc-error.ts';

/** One unary call to the emulator, by the type of its request. */
export type Call<Request> = ServerUnaryCall<Request, unknown>;

/**
 * A grpc-js handler made of an async function. It adds the ids of every response
 * of the vendor: in the headers of a message, in the trailers of an error.
 */
export function unary<Request, Response>(handle: (call: Call<Request>) => Promise<Response>) {
  return (call: Call<Request>, callback: sendUnaryData<Response>): void => {
    const ids = new Metadata();
    ids.set('x-request-id', randomUUID());
    ids.set('x-server-trace-id', randomBytes(16).toString('hex'));
    const respond = async () => {
      try {
        const response = await handle(call);
        call.sendMetadata(ids);
        callback(null, response);
      } catch (error) {
        const known = error instanceof RpcError;
        if (known) ids.merge(error.metadata);
        const code = known ? error.code : status.INTERNAL;
        callback({ code, details: known ? error.details : 'the emulator failed', metadata: ids });
      }
    };
    void respond();
  };
}
