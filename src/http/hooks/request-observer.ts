import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CallerClass } from '../../callers/identity.ts';
import type { ConnectionObserver } from '../edge/connection-limits.ts';

/** The receiver of what happens to requests, for metrics. Its methods must be quick and must not throw. */
export interface RequestObserver extends ConnectionObserver {
  requestBegun(): void;
  /** The response is written, or the caller is gone. */
  requestEnded(request: {
    readonly method: string;
    /** Pattern of the route, or `unmatched`. */
    readonly route: string;
    /** Undefined when the caller hung up first. */
    readonly status: number | undefined;
    /** `public`: the route asks for no credential; `refused`: the credential was refused. */
    readonly callerClass: CallerClass | 'public' | 'refused';
    readonly durationMs: number;
  }): void;
  streamOpened(): void;
  streamClosed(): void;
  /** Bytes arrived that are not one whole request. */
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

/** The hook that reports every request to the observer, also those whose caller hung up. */
export function observeRequests(app: FastifyInstance, observer: RequestObserver): void {
  const streams = new WeakSet<object>();
  app.addHook('onRequest', (request, reply, done) => {
    const startMs = performance.now();
    observer.requestBegun();
    // The onResponse hook does not run when the caller hangs up first.
    reply.raw.once('close', () => {
      if (streams.has(reply.raw)) observer.streamClosed();
      observer.requestEnded(requestEnd(request, reply, performance.now() - startMs));
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
  // The guarded server has a listener of its own, which responds.
  app.server.on('clientError', (error: NodeJS.ErrnoException) => {
    observer.requestBroken(brokenReasons[error.code ?? ''] ?? 'malformed');
  });
}

function requestEnd(request: FastifyRequest, reply: FastifyReply, durationMs: number) {
  const { url: route = 'unmatched', config } = request.routeOptions;
  const classWithoutCaller = config.access === 'public' ? 'public' : 'refused';
  // A request that was refused before authentication ended has no identity.
  const identity = request.identity as FastifyRequest['identity'] | undefined;
  return {
    method: request.method,
    route,
    status: reply.raw.writableFinished ? reply.statusCode : undefined,
    callerClass: identity?.callerClass ?? classWithoutCaller,
    durationMs,
  } as const;
}
