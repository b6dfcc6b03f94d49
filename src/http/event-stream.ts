import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CallerContext } from '../operations/caller-context.ts';
import { isFinished, type OperationSnapshot } from '../operations/result/snapshot.ts';
import { callerGoneSignal } from './caller-gone.ts';
import type { RouteServices } from './route-services.ts';

/** Often enough for proxies and phones that close what is silent. */
const heartbeatMs = 15_000;
/** How soon a browser comes back when the connection broke. */
const retryMs = 2_000;

/**
 * Answers with the operation as server-sent events (WHATWG HTML, section 9.2):
 * its state now, then each change, until the last. `id` is the revision, so a
 * browser that comes back with Last-Event-ID is told only what is newer.
 */
export function sendEvents(
  { request, reply, caller }: EventsCall,
  services: RouteServices,
  snapshot: OperationSnapshot,
): FastifyReply {
  const after = lastEventIdOf(request);
  // 204 is what stops an EventSource from coming back for ever.
  if (isFinished(snapshot) && snapshot.revision <= after) {
    return reply.code(204).header('cache-control', 'no-store').send();
  }
  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .header('x-operation-id', snapshot.id);
  if (request.method === 'HEAD') return reply.send();
  const signal = callerGoneSignal(reply.raw);
  const events = eventsOf(snapshot, {
    after,
    next: () => nextOf(snapshot.id, { services, caller, signal }),
    json: (each) => services.responses.json(each, caller.tenant),
  });
  return reply.send(Readable.from(events, { objectMode: false }));
}

export interface EventsCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: CallerContext;
}

interface EventsOptions {
  readonly after: number;
  /** What is known at the next change, or at the latest after the time of a heartbeat; undefined at the end. */
  readonly next: () => Promise<OperationSnapshot | undefined>;
  readonly json: (snapshot: OperationSnapshot) => string;
}

async function* eventsOf(
  first: OperationSnapshot,
  { after, next, json }: EventsOptions,
): AsyncGenerator<string> {
  yield `retry: ${retryMs}\n\n`;
  let told = after;
  let snapshot: OperationSnapshot | undefined = first;
  while (snapshot !== undefined) {
    const { revision, state } = snapshot;
    yield revision > told
      ? `id: ${revision}\nevent: ${state.status}\ndata: ${json(snapshot)}\n\n`
      : ': hb\n\n';
    told = Math.max(told, revision);
    if (isFinished(snapshot)) return;
    snapshot = await next();
  }
}

async function nextOf(
  id: string,
  parts: {
    readonly services: RouteServices;
    readonly caller: CallerContext;
    readonly signal: AbortSignal;
  },
): Promise<OperationSnapshot | undefined> {
  const { caller, signal } = parts;
  const { operations } = parts.services;
  if (operations.isClosed || signal.aborted) return undefined;
  try {
    const snapshot = await operations.wait(id, { ...caller, waitMs: heartbeatMs, signal });
    return operations.isClosed || signal.aborted ? undefined : snapshot;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    // Whoever comes back is told why, with the right status.
    return undefined;
  }
}

/** 0 for what is no revision of ours: then everything is newer. */
function lastEventIdOf({ headers }: FastifyRequest): number {
  const given = headers['last-event-id'];
  return typeof given === 'string' && /^[0-9]{1,9}$/.test(given) ? Number(given) : 0;
}
