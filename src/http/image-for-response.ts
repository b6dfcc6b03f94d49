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
 * The bytes of an image for an answer. They count as held until the answer is
 * written or its socket closes.
 *
 * @param form How they will be sent; under pressure the dear form is refused first.
 * @throws GatewayError `overloaded`, or why the image can't be had.
 */
export async function imageForResponse(
  { request, reply, caller }: ImageCall,
  { operations, shedding }: RouteServices,
  { id, form }: { readonly id: string; readonly form: 'base64' | 'bytes' },
): Promise<OperationImage> {
  const { raw } = reply;
  // The answer to a create is owed: what it shows was just paid for.
  if (request.method === 'GET') shedding.admit(form);
  const image = await operations.image(id, caller, { signal: () => callerGoneSignal(raw) });
  if (raw.closed) image.release();
  else raw.once('close', image.release);
  return image;
}
