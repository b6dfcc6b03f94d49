import type { FastifyReply } from 'fastify';
import { isFinished, type OperationSnapshot } from '../operations/result/snapshot.ts';
import { vendorOperationJson } from '../translation/vendor.ts';
import { imageForResponse, type ImageCall } from './held-image.ts';
import { sendJsonWithBytes } from './json-with-bytes.ts';
import type { RouteServices } from './route-services.ts';

/**
 * Sends an operation in the JSON of the vendor's REST: with the image inside, as
 * base64, once it succeeded. Whichever surface it was created on.
 *
 * @throws GatewayError when the image can't be had.
 */
export async function sendVendorOperation(
  call: ImageCall,
  services: RouteServices,
  snapshot: OperationSnapshot,
): Promise<FastifyReply> {
  const { request, reply, caller } = call;
  const { id } = snapshot;
  const needsImage = snapshot.state.status === 'succeeded' && request.method !== 'HEAD';
  const image = needsImage
    ? (await imageForResponse(call, services, { id, form: 'base64' })).bytes
    : undefined;
  reply.header('cache-control', 'no-store').header('x-operation-id', id);
  if (!isFinished(snapshot)) {
    reply.header('retry-after', String(services.operations.retryAfterS(id, caller)));
  }
  if (request.method === 'HEAD') {
    return reply.header('content-type', 'application/json; charset=utf-8').send();
  }
  return sendJsonWithBytes(reply, vendorOperationJson(snapshot, image));
}
