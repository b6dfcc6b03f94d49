import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import type { OperationImage } from '../operations/operations.ts';
import { callerGoneSignal } from './caller-gone.ts';
import type { RouteServices } from './route-services.ts';

export interface ImageCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: CallerContext;
}

/**
 * The bytes of an image for a response. They count as held until the response
 * is written or its socket closes.
 *
 * @param form How they will be sent. Under pressure base64, the more expensive form, is refused first.
 * @throws GatewayError `overloaded`, or why the image can't be had.
 */
export async function imageForResponse(
  { request, reply, caller }: ImageCall,
  { operations, shedding }: RouteServices,
  { id, form }: { readonly id: string; readonly form: 'base64' | 'bytes' },
): Promise<OperationImage> {
  const { raw } = reply;
  // The response to a create is never refused here: its image was just paid for.
  if (request.method === 'GET') shedding.admit(form);
  const image = await operations.image(id, caller, { signal: () => callerGoneSignal(raw) });
  if (raw.closed) image.release();
  else raw.once('close', image.release);
  return image;
}
