import type { FastifyRequest } from 'fastify';
import type { CallerContext } from '../operations/caller-context.ts';
import { continuedTraceparent } from '../observability/trace-context.ts';

/** Who asks. Everybody is the one anonymous tenant until callers have credentials. */
export function callerOf(request: FastifyRequest): CallerContext {
  const { traceparent } = request.headers;
  return {
    tenant: '',
    traceparent: typeof traceparent === 'string' ? continuedTraceparent(traceparent) : undefined,
  };
}
