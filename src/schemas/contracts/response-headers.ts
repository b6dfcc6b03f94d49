import { z } from 'zod';

const text = (description: string, example?: string) =>
  z.string().meta({ description, ...(example === undefined ? {} : { example }) });

/** Response headers by name, as the document describes them. Text on the wire, all of them. */
export const responseHeaders = {
  'X-Request-Id': text('Id of this request; quote it to the operator.'),
  'X-Operation-Id': text('Id of the operation this answer is about.'),
  Location: text('Where the operation, or its image, is.'),
  'Retry-After': text('Seconds after which asking again may bring something new.', '2'),
  'Preference-Applied': text('The preferences of Prefer that were followed.', 'wait=10'),
  'X-Ignored-Params': text('Unknown body fields that were ignored, as JSON pointers.'),
  'Idempotency-Replayed': text('An earlier request with this key had it made.', 'true'),
  RateLimit: text(
    'What is left of each limit, and seconds until there is more.',
    '"minute";r=59;t=1',
  ),
  'RateLimit-Policy': text('Your limits: quantity and window in seconds.', '"minute";q=60;w=60'),
  'X-RateLimit-Limit-Requests': text('The limit, as OpenAI’s clients read it.', '60'),
  'X-RateLimit-Remaining-Requests': text('What is left of it.', '59'),
  'X-RateLimit-Reset-Requests': text('When there is more.', '1s'),
  'X-Should-Retry': text('`false`: asking again brings the same, whatever the status.', 'false'),
  'WWW-Authenticate': text('Which kind of credential this gateway takes.'),
  ETag: text('Version of this representation, for If-None-Match and If-Range.'),
  'Cache-Control': text('How long, and by whom, this may be kept.'),
  'Last-Modified': text('When the image was finished.'),
  'Accept-Ranges': text('Range requests are served.', 'bytes'),
  'Content-Range': text('Which bytes these are.', 'bytes 0-99/889288'),
  'Content-Digest': text('SHA-256 of the whole image (RFC 9530).'),
  'Content-Disposition': text('A file name with the right extension.'),
  'X-Image-Seed': text('The seed the image was made from.', '1863'),
  'X-Image-Width': text('Pixels.', '1344'),
  'X-Image-Height': text('Pixels.', '768'),
  'X-Model-Version': text('The version of the model, where the upstream tells it.'),
  Allow: text('The methods this path takes.', 'GET, HEAD'),
} as const;

export type ResponseHeader = keyof typeof responseHeaders;

/**
 * The named headers as one object, each optional but those that every answer
 * of the kind carries.
 */
export function headersSchema(
  required: readonly ResponseHeader[],
  optional: readonly ResponseHeader[] = [],
) {
  const shape: Record<string, z.ZodType> = {};
  for (const name of required) shape[name] = responseHeaders[name];
  for (const name of optional) shape[name] = responseHeaders[name].optional();
  return z.object(shape);
}
