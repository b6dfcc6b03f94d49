import { z } from 'zod';

const text = (description: string, example?: string) =>
  z.string().meta({ description, ...(example === undefined ? {} : { example }) });

/** Response headers by name, as the document describes them. All are text. */
export const responseHeaders = {
  'X-Request-Id': text('Id of this request: report it to the operator.'),
  'X-Operation-Id': text('Id of the operation that this response is about.'),
  Location: text('Address of the operation, or of its image.'),
  'Retry-After': text('Seconds until a repeated request may bring something new.', '2'),
  'Preference-Applied': text('The preferences of Prefer that were followed.', 'wait=10'),
  'X-Ignored-Params': text(
    'What was ignored, percent-encoded, at most 16 names: body fields as JSON pointers, OpenAI’s fields by name, query parameters as `?name`.',
    '?utm_source, #/quality',
  ),
  'Idempotency-Replayed': text(
    '`true`: an earlier request with this key made the operation.',
    'true',
  ),
  RateLimit: text(
    'What is left of each limit, and seconds until there is more.',
    '"minute";r=59;t=1',
  ),
  'RateLimit-Policy': text('Your limits: quantity, and window in seconds.', '"minute";q=60;w=60'),
  'X-RateLimit-Limit-Requests': text('Requests in each minute, as OpenAI’s clients read it.', '60'),
  'X-RateLimit-Remaining-Requests': text('Requests that are left of the limit.', '59'),
  'X-RateLimit-Reset-Requests': text('Time until the limit is whole again.', '1s'),
  'X-Should-Retry': text('`false`: a retry has the same result, whatever the status.', 'false'),
  'WWW-Authenticate': text('The kind of credential that this gateway accepts.'),
  ETag: text('Version of this representation, for If-None-Match and If-Range.'),
  'Cache-Control': text('How long, and by whom, this response may be kept.'),
  'Last-Modified': text('Time when the image was finished.'),
  'Accept-Ranges': text('Range requests are served.', 'bytes'),
  'Content-Range': text(
    'The bytes of this response, and the length of the image.',
    'bytes 0-99/889288',
  ),
  'Content-Digest': text('SHA-256 of the body (RFC 9530), on whole images only.'),
  'Repr-Digest': text('SHA-256 of the whole image (RFC 9530), on ranges and 304 too.'),
  'Content-Disposition': text('A file name with the extension of the image.'),
  'X-Image-Seed': text('The seed of the image; absent where the model takes no seeds.', '1863'),
  'X-Image-Width': text('Width of the image in pixels.', '1344'),
  'X-Image-Height': text('Height of the image in pixels.', '768'),
  'X-Model-Version': text('The version of the model, where the upstream says it.'),
  Allow: text('The methods of this path.', 'GET, HEAD'),
} as const;

export type ResponseHeader = keyof typeof responseHeaders;

/**
 * A schema of response headers: `required` are in every response of the kind.
 * Every response may name what was ignored.
 */
export function headersSchema(
  required: readonly ResponseHeader[],
  optional: readonly ResponseHeader[] = [],
) {
  const shape: Record<string, z.ZodType> = {};
  for (const name of required) shape[name] = responseHeaders[name];
  for (const name of [...optional, 'X-Ignored-Params'] as const)
    shape[name] = responseHeaders[name].optional();
  return z.object(shape);
}
