import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Log } from '../../observability/log.ts';
import { outcomeOf } from '../log-context.ts';

/**
 * The hook that logs one line a request: its route, how it ended, how long it
 * took. Never the URL's query, a body or a header value, which may hold prompts
 * and credentials.
 */
export function logRequests(app: FastifyInstance, log: Log): void {
  app.addHook('onRequest', (request, reply, done) => {
    // The onResponse hook does not run when the caller hangs up first.
    const startMs = performance.now();
    reply.raw.once('close', () => writeLine(log, request, reply, performance.now() - startMs));
    done();
  });
}

function writeLine(log: Log, request: FastifyRequest, reply: FastifyReply, ms: number): void {
  const { statusCode } = reply;
  const { operationId, isReplay, upstreamCode, upstreamMs, error } = request.logContext;
  const isHungUp = !reply.raw.writableFinished;
  const line = {
    requestId: request.id,
    method: request.method,
    route: request.routeOptions.url ?? 'unmatched',
    ...(isHungUp ? { hungUp: true } : { status: statusCode }),
    ms: Math.round(ms * 10) / 10,
    caller: request.identity?.subject,
    operationId,
    isReplay,
    upstreamCode,
    upstreamMs,
    outcome: outcomeOf(request.logContext),
    ...(error === undefined ? undefined : errorLine(error)),
  };
  // A 503 without an error is /readyz saying "not now": nothing went wrong.
  if (statusCode >= 500 && !isHungUp && error !== undefined) log.error(line, 'request');
  else log.info(line, 'request');
}

function errorLine(error: unknown): { reason: string; cause?: string } {
  if (!(error instanceof GatewayError)) return { reason: 'internal_error' };
  if (error.cause === undefined) return { reason: error.reason };
  const { cause } = error;
  // For a mistake of the gateway itself its developers need the stack.
  const isOurs = error.reason === 'internal_error';
  const text = cause instanceof Error ? ((isOurs ? cause.stack : undefined) ?? cause.message) : '';
  return { reason: error.reason, cause: text.slice(0, 2_000) };
}
