import { randomBytes, randomUUID } from 'node:crypto';
import { Metadata, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';
import { Refusal } from './refusal.ts';

/** One call, by the type of its request. */
export type Call<Request> = ServerUnaryCall<Request, unknown>;

/** An async function as grpc-js takes a unary handler, with the ids every answer of the vendor carries. */
export function unary<Request, Response>(handle: (call: Call<Request>) => Promise<Response>) {
  return (call: Call<Request>, callback: sendUnaryData<Response>): void => {
    const headers = new Metadata();
    headers.set('x-request-id', randomUUID());
    headers.set('x-server-trace-id', randomBytes(16).toString('hex'));
    call.sendMetadata(headers);
    handle(call).then(
      (response) => callback(null, response),
      (error: unknown) => {
        const known = error instanceof Refusal;
        callback(known ? error : { code: status.INTERNAL, details: 'the emulator failed' });
      },
    );
  };
}
