import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayError } from '../errors/gateway-error.ts';
import { rpcCodeOf, vendorHttpStatus } from '../errors/vendor-status.ts';
import { errorShapeOfPath, statusOfReason, type ErrorShape } from '../schemas/error-shape.ts';
import { openAiErrorJson } from '../translation/openai-error.ts';
import { rpcStatusJson } from '../translation/vendor.ts';
import { pathOf, problemFromError } from './problem.ts';

interface ErrorResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: unknown;
}

const json = 'application/json; charset=utf-8';

/** The error in the shape that clients of this route read. */
export function errorResponse(
  error: GatewayError,
  request: FastifyRequest,
  origin: string,
): ErrorResponse {
  switch (shapeOf(request)) {
    case 'status':
      return {
        status:
          error.upstream === undefined
            ? statusOfReason('status', error.reason)
            : vendorHttpStatus(rpcCodeOf(error)),
        contentType: json,
        body: rpcStatusJson(error),
      };
    case 'openai':
      return {
        status: statusOfReason('openai', error.reason),
        contentType: json,
        body: openAiErrorJson(error),
      };
    default: {
      const path = pathOf(request);
      const problem = problemFromError(error, { id: request.id, path, origin });
      const contentType = 'application/problem+json; charset=utf-8';
      return { status: problem.status, contentType, body: problem };
    }
  }
}

/** Whether the request's clients are those of OpenAI, who need to be told not to repeat what is final. */
export function isOpenAi(request: FastifyRequest): boolean {
  return shapeOf(request) === 'openai';
}

function shapeOf(request: FastifyRequest): ErrorShape {
  const { contract } = request.routeOptions.config;
  if (contract !== undefined) return contract.errorShape ?? 'problem';
  return errorShapeOfPath(pathOf(request));
}

/** Sends it, with the headers that every error carries. */
export function sendError(
  reply: FastifyReply,
  { status, contentType, body }: ErrorResponse,
): FastifyReply {
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .header('content-type', contentType)
    .send(JSON.stringify(body));
}
