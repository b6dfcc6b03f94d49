import type { Reason } from '../errors/reason.ts';

/** The HTTP status, title and advice of one reason. */
export interface ProblemKind {
  /** HTTP status code. */
  readonly status: number;
  /** The same for every problem of this kind. */
  readonly title: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** For retryable ones: seconds in Retry-After, unless the error has its own. */
  readonly retryAfterS?: number;
  /** What happened, and what the caller does next. */
  readonly advice: string;
}

export const problemKinds = {
  invalid_request: {
    status: 400,
    title: 'Invalid request',
    retryable: false,
    advice:
      'Something in the request is wrong. `errors` lists each violation and where it is: fix them and resend. Nothing was spent.',
  },
  unknown_field: {
    status: 400,
    title: 'Unknown field',
    retryable: false,
    advice:
      'The request contains a name that the gateway does not know, most often a misspelling. Correct or remove it. `Prefer: handling=lenient` makes the gateway ignore unknown body fields and list them in X-Ignored-Params. Nothing was spent.',
  },
  malformed_json: {
    status: 400,
    title: 'Malformed JSON',
    retryable: false,
    advice:
      'The body is not valid JSON in UTF-8, or it is nested deeper than 16 levels. `detail` says where reading stopped. Nothing was spent.',
  },
  prompt_too_long: {
    status: 400,
    title: 'Prompt too long',
    retryable: false,
    advice:
      'The texts of positive weight are together longer than the model takes. `detail` gives the count and the limit: shorten the prompt. Nothing was spent.',
  },
  model_not_found: {
    status: 400,
    title: 'Model not found',
    retryable: false,
    advice:
      'There is no model of this name that you may use. `detail` lists names that you may send; GET /v1/models lists them all. Nothing was spent.',
  },
  content_policy_violation: {
    status: 422,
    title: 'Refused by the content policy',
    retryable: false,
    advice: 'The model refuses this prompt. Resending it has the same result: word it differently.',
  },
  unauthenticated: {
    status: 401,
    title: 'Unauthenticated',
    retryable: false,
    advice: 'Send a valid credential. WWW-Authenticate says which kind this gateway accepts.',
  },
  permission_denied: {
    status: 403,
    title: 'Permission denied',
    retryable: false,
    advice: 'The credential is valid but does not allow this. Ask the operator of the gateway.',
  },
  host_refused: {
    status: 421,
    title: 'Host not served',
    retryable: false,
    advice:
      'This gateway takes requests without a credential, so it serves only names that no foreign page can have: its own, addresses, names without a dot and local ones. Use one of these, or ask the operator to add the name to ALLOWED_HOSTS. Nothing was spent.',
  },
  cross_site_refused: {
    status: 403,
    title: 'Refused to a page of another site',
    retryable: false,
    advice:
      'A page of another site sent the request, or asked whether it may, and its origin is not in CORS_ORIGINS. The operator can add it there, or set PUBLIC_URL to the address under which the gateway is reached. Nothing was spent.',
  },
  not_found: {
    status: 404,
    title: 'No such path',
    retryable: false,
    advice:
      'Nothing is served at this path. The paths are listed in /openapi.json and shown at /docs.',
  },
  idempotency_key_invalid: {
    status: 400,
    title: 'Invalid Idempotency-Key',
    retryable: false,
    advice:
      'Send one Idempotency-Key header of 1 to 255 visible ASCII characters, with or without double quotes. Nothing was spent.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'Idempotency-Key reused',
    retryable: false,
    advice:
      'The key was first sent with another request. Use a new key for a new image, and the same key only for the same request. Nothing was spent.',
  },
  outcome_unknown: {
    status: 409,
    title: 'Outcome unknown',
    retryable: false,
    advice:
      'An earlier request with this key reached the upstream, but its response was lost: an image may have been paid for that can not be found. The gateway does not send it again under this key. A new key makes a new image, and may pay a second time.',
  },
  operation_not_found: {
    status: 404,
    title: 'No such operation',
    retryable: false,
    advice:
      'There is no operation with this id for this caller. Use the id exactly as the response to your create gave it.',
  },
  operation_not_done: {
    status: 409,
    title: 'Operation not done',
    retryable: true,
    retryAfterS: 2,
    advice:
      'The image is still being made. Ask again after Retry-After seconds, or let the gateway wait for you with `?wait=60`.',
  },
  operation_canceled: {
    status: 410,
    title: 'Operation canceled',
    retryable: false,
    advice: 'The operation was canceled before an image was made. Create a new one.',
  },
  operation_expired: {
    status: 410,
    title: 'Operation expired',
    retryable: false,
    advice:
      'The upstream no longer holds this operation or its image; results are kept for about three days. Create a new one.',
  },
  not_acceptable: {
    status: 406,
    title: 'Not acceptable',
    retryable: false,
    advice:
      'None of the media types in Accept can be made. `detail` lists those that can. Nothing was spent.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    retryable: false,
    advice: 'The path exists but not with this method. Allow lists the methods it takes.',
  },
  payload_too_large: {
    status: 413,
    title: 'Payload too large',
    retryable: false,
    advice: 'The request body is larger than the gateway reads. Nothing was spent.',
  },
  headers_too_large: {
    status: 431,
    title: 'Request header fields too large',
    retryable: false,
    advice: 'Send at most 100 header lines and 8 KiB of headers. Nothing was spent.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'Unsupported media type',
    retryable: false,
    advice:
      'Send the body as `Content-Type: application/json`, in UTF-8 and uncompressed. Nothing was spent.',
  },
  range_not_satisfiable: {
    status: 416,
    title: 'Range not satisfiable',
    retryable: false,
    advice: 'The image is shorter than the range asked for. Content-Range gives its length.',
  },
  precondition_failed: {
    status: 412,
    title: 'Precondition failed',
    retryable: false,
    advice:
      'The image is not the one that If-Match or If-Unmodified-Since describes. Its present ETag is in the ETag header: resend without the precondition to get it.',
  },
  rate_limited: {
    status: 429,
    title: 'Rate limited',
    retryable: true,
    retryAfterS: 5,
    advice:
      'One of your limits at this gateway is used up: `detail` names it and RateLimit shows what is left. Wait for Retry-After seconds. Nothing was spent.',
  },
  quota_exceeded: {
    status: 429,
    title: 'Quota exceeded',
    retryable: true,
    retryAfterS: 10,
    advice:
      'The upstream accepts no more requests for now. Wait for Retry-After seconds. Nothing was spent.',
  },
  overloaded: {
    status: 503,
    title: 'Overloaded',
    retryable: true,
    retryAfterS: 2,
    advice:
      'The gateway has as much work as it can do. Wait for Retry-After seconds. Nothing was spent.',
  },
  draining: {
    status: 503,
    title: 'Shutting down',
    retryable: true,
    retryAfterS: 1,
    advice: 'This gateway is about to stop: resend the request. Nothing was spent.',
  },
  store_unavailable: {
    status: 503,
    title: 'Store unavailable',
    retryable: true,
    retryAfterS: 2,
    advice:
      'The gateway can not reach the store that keeps idempotency keys and limits, so it did not ask for an image. Wait for Retry-After seconds and resend the same request with the same key. Reading operations and images still works.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    retryable: false,
    advice:
      'The gateway made a mistake. Report the requestId to its operator. On a create, `outcome` says whether an image may have been paid for.',
  },
  upstream_auth: {
    status: 502,
    title: 'Upstream refused the gateway',
    retryable: false,
    advice:
      "The upstream does not accept the gateway's own credentials, or denies it the folder or model. Nothing you send changes that: report the requestId to the operator.",
  },
  upstream_unavailable: {
    status: 503,
    title: 'Upstream unavailable',
    retryable: true,
    retryAfterS: 2,
    advice:
      'The upstream can not be reached. On a create look at `outcome`: `not_started` may be resent after Retry-After seconds; `unknown` may have been paid for already.',
  },
  upstream_error: {
    status: 502,
    title: 'Upstream error',
    retryable: false,
    advice:
      'The upstream failed. On a create with `outcome: unknown` an image may have been paid for: resending it may pay twice.',
  },
  bad_upstream_result: {
    status: 502,
    title: 'Bad upstream result',
    retryable: false,
    advice:
      'The upstream sent no image that the gateway serves (JPEG, PNG, WebP, GIF, AVIF), or a response that can not be read. Report the requestId to the operator.',
  },
  upstream_message_too_large: {
    status: 502,
    title: 'Upstream response too large',
    retryable: false,
    advice:
      'The image is larger than this gateway accepts. The operator can raise IMAGE_BYTES_MAX.',
  },
  upstream_timeout: {
    status: 504,
    title: 'Upstream timeout',
    retryable: false,
    advice:
      'The upstream did not respond in time. On a create with `outcome: unknown` an image may have been paid for: resending it may pay twice.',
  },
  generation_timeout: {
    status: 504,
    title: 'Generation timeout',
    // A create that is resent would pay again; Retry-After is about Location.
    retryable: false,
    advice:
      'The image was not ready in time. With `outcome: accepted` the operation goes on: get it from Location after Retry-After seconds, and do not create it again.',
  },
  result_lost: {
    status: 502,
    title: 'Result lost',
    retryable: false,
    advice:
      'The image service asked a paid model for the image, and the response was lost on the way: the image may have been made and paid for, and can not be had any more. Nothing is asked for again by itself. A new create makes another image, and pays for it.',
  },
} as const satisfies Record<Reason, ProblemKind>;

/** The kind of a reason. */
export function problemKindOf(reason: Reason): ProblemKind {
  return problemKinds[reason];
}
