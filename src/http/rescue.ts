import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorResponse, isOpenAi, sendError } from './error-answer.ts';
import { gatewayErrorFrom, retryAfterS } from './problem.ts';

/** The one place where an error becomes an answer. */
export function rescue(origin: () => string) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = gatewayErrorFrom(thrown);
    const { outcome } = request.logContext;
    const isSilent = known.outcome === undefined && outcome !== undefined;
    const error = isSilent ? known.with({ outcome }) : known;
    request.logContext.error = error;
    if (error.upstream !== undefined) request.logContext.upstreamCode ??= error.upstream.grpcCode;
    const retryAfter = retryAfterS(error);
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    // These clients repeat every 5xx, 408, 409 and 429 by themselves, unless told not to.
    else if (isOpenAi(request)) reply.header('x-should-retry', 'false');
    return sendError(reply.headers(error.headers), errorResponse(error, request, origin()));
  };
}
