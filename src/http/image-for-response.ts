import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import type { OperationPicture } from '../operations/operations.ts';
import { callerGoneSignal } from './caller-gone.ts';
import type { Surface } from './route-services.ts';

export interface PictureCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: CallerContext;
}

/**
 * The bytes of a picture for an answer. They count as held until the answer is
 * written or its socket closes.
 *
 * @param form How they will be sent; under pressure the dear form is refused first.
 * @throws GatewayError `overloaded`, or why the picture can't be had.
 */
export async function pictureForAnswer(
  { request, reply, caller }: PictureCall,
  { operations, shedding }: Surface,
  { id, form }: { readonly id: string; readonly form: 'base64' | 'bytes' },
): Promise<OperationPicture> {
  const { raw } = reply;
  // The answer to a create is owed: what it shows was just paid for.
  if (request.method === 'GET') shedding.admit(form);
  const picture = await operations.picture(id, caller, { signal: () => callerGoneSignal(raw) });
  if (raw.closed) picture.release();
  else raw.once('close', picture.release);
  return picture;
}
