import type { FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import { continuedTraceparent } from '../observability/trace-context.ts';

/** For whom the operations of a request are done. */
export function callerOf(request: FastifyRequest): CallerContext {
  const { traceparent } = request.headers;
  const { tenant, own } = request.identity;
  const continued =
    typeof traceparent === 'string' ? () => continuedTraceparent(traceparent) : () => undefined;
  return { tenant, own, traceparent: request.span?.traceparent ?? continued() };
}
