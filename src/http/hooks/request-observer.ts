import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CallerClass } from '../../callers/identity.ts';

/** Told of every request; what it does must be quick and may not throw. */
export interface RequestObserver {
  requestBegun(): void;
  /** The answer is written, or the caller is gone. */
  requestEnded(request: {
    readonly method: string;
    /** Pattern of the route, or `unmatched`. */
    readonly route: string;
    /** Undefined when the caller hung up first. */
    readonly status: number | undefined;
    /** `public`: nobody was asked; `refused`: the credential was no good. */
    readonly callerClass: CallerClass | 'public' | 'refused';
    readonly durationMs: number;
  }): void;
  streamOpened(): void;
  streamClosed(): void;
  /** Something arrived that is no whole request. */
  requestBroken(reason: BrokenReason): void;
}

export type BrokenReason = 'too_large' | 'too_slow' | 'cut' | 'malformed';

const brokenReasons: Readonly<Record<string, BrokenReason>> = {
  HPE_HEADER_OVERFLOW: 'too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'too_slow',
  ECONNRESET: 'cut',
  EPIPE: 'cut',
  HPE_INVALID_EOF_STATE: 'cut',
};

/** Tells the observer of every request, also of those that their caller gave up. */
export function observeRequests(app: FastifyInstance, observer: RequestObserver): void {
  const streams = new WeakSet<object>();
  app.addHook('onRequest', (request, reply, done) => {
    const startMs = performance.now();
    observer.requestBegun();
    // Not the onResponse hook, which never runs when the caller hangs up first.
    reply.raw.once('close', () => {
      if (streams.has(reply.raw)) observer.streamClosed();
      observer.requestEnded(endOf(request, reply, performance.now() - startMs));
    });
    done();
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    const type = reply.getHeader('content-type');
    const isStream = typeof type === 'string' && type.startsWith('text/event-stream');
    if (isStream && request.method !== 'HEAD' && !reply.raw.destroyed) {
      observer.streamOpened();
      streams.add(reply.raw);
    }
    done();
  });
  // Beside the listener that answers them.
  app.server.on('clientError', (error: NodeJS.ErrnoException) => {
    observer.requestBroken(brokenReasons[error.code ?? ''] ?? 'malformed');
  });
}

function endOf(request: FastifyRequest, reply: FastifyReply, durationMs: number) {
  const { url: route = 'unmatched', config } = request.routeOptions;
  const anybody = config.access === 'public' ? 'public' : 'refused';
  // Decorated before it is set: a request that was refused has none.
  const identity = request.identity as FastifyRequest['identity'] | undefined;
  return {
    method: request.method,
    route,
    status: reply.raw.writableFinished ? reply.statusCode : undefined,
    callerClass: identity?.callerClass ?? anybody,
    durationMs,
  } as const;
}
