import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import type { CallerContext } from '../operations/caller-context.ts';
import { isFinished, type OperationSnapshot } from '../operations/result/snapshot.ts';
import { callerGoneSignal } from './caller-gone.ts';
import type { LinkHolder } from './operation-response.ts';
import type { RouteServices } from './route-services.ts';

/** Pause between heartbeats: proxies and phones close a connection that is silent for longer. */
const heartbeatMs = 15_000;
/** How often a stream looks whether the credential that it was opened with still stands. */
const credentialCheckMs = 1_000;
/** Pause before a browser reconnects after the connection broke. */
const retryMs = 2_000;

/**
 * Sends the operation as server-sent events (WHATWG HTML, section 9.2): its
 * state now, then each change, until the last. `id` is the revision, so a
 * browser that reconnects with Last-Event-ID gets only what is newer. The stream
 * ends early with the link, token or key that it was opened with.
 */
export function sendEvents(
  { request, reply, caller, links }: EventsCall,
  services: RouteServices,
  snapshot: OperationSnapshot,
): FastifyReply {
  const after = lastEventIdOf(request);
  // An EventSource reconnects for ever unless it gets a 204.
  if (isFinished(snapshot) && String(snapshot.revision) === after) {
    return reply.code(204).header('cache-control', 'no-store').send();
  }
  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store, no-transform')
    .header('x-accel-buffering', 'no')
    .header('x-operation-id', snapshot.id);
  if (request.method === 'HEAD') return reply.send();
  const signal = AbortSignal.any([
    callerGoneSignal(reply.raw),
    credentialOverSignal(request, reply, services),
  ]);
  const events = eventsOf(snapshot, {
    after,
    next: () => nextOf(snapshot.id, { services, caller, signal }),
    json: (each) => services.responses.json(each, links),
  });
  return reply.send(Readable.from(events, { objectMode: false }));
}

export interface EventsCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: CallerContext;
  readonly links: LinkHolder;
}

interface EventsOptions {
  /** The `id` of the last event that the client has. */
  readonly after: string | undefined;
  /** The snapshot after the next change, or after the pause of a heartbeat; undefined when the stream has to end. */
  readonly next: () => Promise<OperationSnapshot | undefined>;
  readonly json: (snapshot: OperationSnapshot) => string;
}

async function* eventsOf(
  first: OperationSnapshot,
  { after, next, json }: EventsOptions,
): AsyncGenerator<string> {
  yield `retry: ${retryMs}\n\n`;
  let sent = after;
  let snapshot: OperationSnapshot | undefined = first;
  while (snapshot !== undefined) {
    const { revision, state } = snapshot;
    yield String(revision) !== sent
      ? `id: ${revision}\nevent: ${state.status}\ndata: ${json(snapshot)}\n\n`
      : ': hb\n\n';
    sent = String(revision);
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
    // The stream ends; a client that reconnects gets this error with its status.
    return undefined;
  }
}

/** A signal that aborts when the credential of the request has expired, or the key behind it is revoked. */
function credentialOverSignal(
  { identity }: FastifyRequest,
  reply: FastifyReply,
  { clock, isLive }: RouteServices,
): AbortSignal {
  const controller = new AbortController();
  let cancel: () => void = () => undefined;
  const check = () => {
    if (!isLive(identity)) return controller.abort();
    cancel = clock.after(credentialCheckMs, check);
  };
  check();
  reply.raw.once('close', () => cancel());
  return controller.signal;
}

/** Only of a GET: the response to a create never depends on what the client has seen of another operation. */
function lastEventIdOf({ method, headers }: FastifyRequest): string | undefined {
  const given = headers['last-event-id'];
  return method === 'GET' && typeof given === 'string' ? given : undefined;
}
