import type { FastifyReply, FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import type { OperationSnapshot } from '../operations/result/snapshot.ts';
import { callerGoneSignal } from './caller-gone.ts';
import { preferenceApplied, preferencesFromHeader } from './prefer.ts';
import type { RouteServices } from './route-services.ts';

/** A request that reads one operation and may wait for its end. */
export interface ReadCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly id: string;
  readonly caller: CallerContext;
  /** `?wait`, which overrules `Prefer: wait`. */
  readonly query: { readonly wait?: number | undefined };
}

/**
 * The operation of a read, after the wait that `?wait` or `Prefer` asks for.
 *
 * @throws GatewayError when the operation can't be read.
 */
export async function snapshotAfterWait(
  { request, reply, id, caller, query }: ReadCall,
  { operations, shedding }: RouteServices,
): Promise<OperationSnapshot> {
  const preferences = preferencesFromHeader(request.headers['prefer']);
  const waitS = query.wait ?? preferences.waitS ?? 0;
  const applied = preferenceApplied({
    waitS: query.wait === undefined ? preferences.waitS : undefined,
  });
  // Under pressure a wait returns what is known now; Retry-After says when to ask again.
  const isImmediate = waitS === 0 || shedding.sheds('wait');
  const snapshot = isImmediate
    ? await operations.get(id, caller)
    : await operations.wait(id, {
        ...caller,
        waitMs: waitS * 1000,
        signal: callerGoneSignal(reply.raw),
      });
  request.logContext.operationId = snapshot.id;
  if (applied !== undefined) reply.header('preference-applied', applied);
  return snapshot;
}
