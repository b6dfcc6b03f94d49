import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { RequestSpan, Tracing } from '../../observability/tracing.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Absent where nobody collects traces. */
    span: RequestSpan | undefined;
  }
}

/** A span a request, from its headers to the end of its answer. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent, tracestate } = request.headers;
    const span = tracing.startRequest({
      method: request.method,
      route: request.routeOptions.url,
      scheme: request.protocol,
      requestId: request.id,
      traceparent: textOf(traceparent),
      tracestate: textOf(tracestate),
    });
    request.span = span;
    reply.raw.once('close', () => span.end(endOf(request, reply)));
    done();
  });
}

function endOf(request: FastifyRequest, reply: FastifyReply) {
  const { error, operationId } = request.logContext;
  const isAnswered = reply.raw.writableFinished;
  const reason = error instanceof GatewayError ? error.reason : undefined;
  return {
    operationId,
    status: isAnswered ? reply.statusCode : undefined,
    error: isAnswered ? reason : 'hung_up',
  };
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
