import type { FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import { continuedTraceparent } from '../observability/trace-context.ts';

/** For whom the operations of a request are done. */
export function callerOf(request: FastifyRequest): CallerContext {
  const { traceparent } = request.headers;
  const { tenant, passthrough } = request.identity;
  const continued =
    typeof traceparent === 'string' ? () => continuedTraceparent(traceparent) : () => undefined;
  return { tenant, passthrough, traceparent: request.span?.traceparent ?? continued() };
}
