import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Reason } from '../errors/reason.ts';
import type { Problem } from '../schemas/problem-document.ts';
import { problemKindOf } from '../schemas/problem-catalog.ts';

const retryAfterSMax = 60;
const instanceCharactersMax = 256;

/** Path of a request's URL, without the query, which may hold a token. */
export function pathOf(request: FastifyRequest): string {
  return (request.raw.url ?? '/').split('?', 1)[0]!;
}

/** The problem document of an error. */
export function problemFromError(
  error: GatewayError,
  request: { readonly id: string; readonly path: string; readonly origin: string },
): Problem {
  const kind = problemKindOf(error.reason);
  return {
    type: `${request.origin}/problems/${error.reason}`,
    title: kind.title,
    status: kind.status,
    code: error.reason,
    detail: error.detail,
    instance: request.path.slice(0, instanceCharactersMax),
    requestId: request.id,
    retryable: kind.retryable && error.outcome !== 'unknown',
    ...(error.outcome !== undefined && { outcome: error.outcome }),
    ...(error.violations.length > 0 && { errors: [...error.violations] }),
    ...(error.upstream !== undefined && { upstream: { ...error.upstream } }),
  };
}

/** Seconds for Retry-After, 1 … 60; undefined when trying again is pointless. */
export function retryAfterS(error: GatewayError): number | undefined {
  const kind = problemKindOf(error.reason);
  if (error.outcome === 'unknown') return undefined;
  const seconds = error.retryAfterS ?? (kind.retryable ? kind.retryAfterS : undefined);
  return seconds === undefined
    ? undefined
    : Math.min(retryAfterSMax, Math.max(1, Math.ceil(seconds)));
}

const reasonOfFastifyCode: Readonly<Record<string, readonly [Reason, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['payload_too_large', 'the body is larger than 64 KiB'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'unsupported_media_type',
    'send the body as Content-Type: application/json',
  ],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'invalid_request',
    'Content-Length is not the length of the body',
  ],
  FST_ERR_BAD_URL: ['not_found', 'the path is not a valid URL path'],
  FST_ERR_ASYNC_CONSTRAINT: ['not_found', 'nothing is served at this path'],
};

/** Whatever was thrown, as the one kind of error that callers are told about. */
export function gatewayErrorFrom(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = (error as { code?: unknown } | undefined)?.code;
  const known = typeof code === 'string' ? reasonOfFastifyCode[code] : undefined;
  if (known !== undefined) return new GatewayError(known[0], known[1], { cause: error });
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new GatewayError('invalid_request', 'the request can not be read', { cause: error });
  }
  return new GatewayError('internal_error', 'the gateway made a mistake', { cause: error });
}
