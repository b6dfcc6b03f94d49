import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { RequestSpan, Tracing } from '../../observability/tracing.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The span of the request; absent where traces are not collected. */
    span: RequestSpan | undefined;
  }
}

/** The hook that opens one span a request, from its headers to the end of its response. */
export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  app.addHook('onRequest', (request, reply, done) => {
    const { traceparent, tracestate } = request.headers;
    const span = tracing.startRequest({
      method: request.method,
      route: request.routeOptions.url,
      scheme: request.protocol,
      requestId: request.id,
      traceparent: singleLine(traceparent),
      tracestate: singleLine(tracestate),
    });
    request.span = span;
    reply.raw.once('close', () => span.end(spanEnd(request, reply)));
    done();
  });
}

function spanEnd(request: FastifyRequest, reply: FastifyReply) {
  const { error, operationId } = request.logContext;
  const isWritten = reply.raw.writableFinished;
  const reason = error instanceof GatewayError ? error.reason : undefined;
  return {
    operationId,
    status: isWritten ? reply.statusCode : undefined,
    error: isWritten ? reason : 'hung_up',
  };
}

function singleLine(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined;
}
