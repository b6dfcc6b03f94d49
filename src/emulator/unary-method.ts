import { randomBytes, randomUUID } from 'node:crypto';
import { unaryHandler, type Call } from '../rpc/unary-method.ts';

export type { Call } from '../rpc/unary-method.ts';

/** The ids of every response of the vendor. */
export function vendorIds(): Readonly<Record<string, string>> {
  return { 'x-request-id': randomUUID(), 'x-server-trace-id': randomBytes(16).toString('hex') };
}

/** A unary handler whose responses carry the vendor's ids. */
export function unary<Request, Response>(handle: (call: Call<Request>) => Promise<Response>) {
  return unaryHandler(handle, { responseIds: vendorIds });
}
