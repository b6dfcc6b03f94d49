import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Reason } from '../errors/reason.ts';
import type { ErrorForm } from '../schemas/error-forms/error-form.ts';
import { errorFormOfPath } from '../schemas/error-forms/error-forms.ts';
import { nativeForm } from '../schemas/error-forms/native-form.ts';
import { problemKindOf } from '../schemas/problem-catalog.ts';
import { outcomeOf } from './log-context.ts';

/** A whole error response, ready to be written. */
export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The request that failed, as far as its response depends on it. */
export interface FailedRequest {
  readonly form: ErrorForm;
  readonly requestId: string;
  readonly path: string;
  readonly origin: string;
  /** Absent: the status that the form has for the error. */
  readonly status?: number;
}

/** The one place where an error becomes a response, in the form that the request's clients read. */
export function errorResponse(
  error: GatewayError,
  { form, ...request }: FailedRequest,
): ErrorResponse {
  const { status = form.statusOf(error) } = request;
  const retryAfter = retryAfterS(error);
  return {
    status,
    headers: {
      'content-type': `${form.mediaType}; charset=utf-8`,
      'cache-control': 'no-store',
      ...(retryAfter === undefined ? form.finalHeaders : { 'retry-after': String(retryAfter) }),
      ...error.headers,
    },
    body: JSON.stringify(form.bodyOf(error, { ...request, status })),
  };
}

/** Fastify's error handler: responds to whatever a hook or a route throws, and writes it into the log context. */
export function errorHandler(origin: () => string) {
  return (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = gatewayErrorFrom(thrown);
    const outcome = outcomeOf({ ...request.logContext, error: known });
    const error = outcome === known.outcome ? known : known.with({ ...(outcome && { outcome }) });
    request.logContext.error = error;
    if (error.upstream !== undefined) request.logContext.upstreamCode ??= error.upstream.grpcCode;
    const { status, headers, body } = errorResponse(error, {
      form: formOf(request),
      requestId: request.id,
      path: pathOf(request),
      origin: origin(),
    });
    return reply.code(status).headers(headers).send(body);
  };
}

function formOf(request: FastifyRequest): ErrorForm {
  const { contract } = request.routeOptions.config;
  if (contract !== undefined) return contract.errorForm ?? nativeForm;
  return errorFormOfPath(pathOf(request));
}

/** Path of a request's URL, without the query, which may hold a token. */
export function pathOf(request: FastifyRequest): string {
  return (request.raw.url ?? '/').split('?', 1)[0]!;
}

const retryAfterSMax = 60;

/** Seconds for Retry-After, 1 … 60; undefined when trying again is pointless. */
function retryAfterS({ reason, outcome, retryAfterS: ownS }: GatewayError): number | undefined {
  if (outcome === 'unknown') return undefined;
  const kind = problemKindOf(reason);
  const seconds = ownS ?? (kind.retryable ? kind.retryAfterS : undefined);
  if (seconds === undefined) return undefined;
  return Math.min(retryAfterSMax, Math.max(1, Math.ceil(seconds)));
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

/** The GatewayError of whatever was thrown. */
function gatewayErrorFrom(error: unknown): GatewayError {
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
