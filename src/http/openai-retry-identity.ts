import type { FastifyRequest } from 'fastify';
import type { IdempotencyScope } from '../operations/create/creates.ts';
import type { OpenAiRequestBody } from '../schemas/openai.ts';
import { fingerprintOf, idempotencyKeyFromHeaders, recordKeyOf } from './idempotency-key.ts';

/** Longer than any client library repeats a request by itself. */
const retriesMs = 15 * 60_000;

/**
 * The idempotency record of one image of a request in OpenAI's form.
 *
 * Without an idempotency key, the request itself is the key for as long as the
 * client library may repeat it: a repetition (`x-stainless-retry-count` ≥ 1)
 * joins the operation that the first attempt started, and never pays twice. A
 * first attempt always starts an operation of its own: two equal requests are
 * two images.
 *
 * @param index Which of the `n` images of the request.
 * @throws GatewayError `idempotency_key_invalid`.
 */
export function retryIdentityOf(
  { identity, raw, headers }: FastifyRequest,
  body: OpenAiRequestBody,
  index: number,
): IdempotencyScope {
  const { subject } = identity;
  const operationId = index === 0 ? 'createOpenAiImage' : `createOpenAiImage ${index}`;
  const fingerprint = fingerprintOf(body);
  const key = idempotencyKeyFromHeaders(raw.rawHeaders);
  if (key !== undefined) return { recordKey: recordKeyOf(subject, operationId, key), fingerprint };
  return {
    recordKey: recordKeyOf(subject, `${operationId} retry`, fingerprint),
    fingerprint,
    isFresh: !isRetry(headers['x-stainless-retry-count']),
    keepMs: retriesMs,
  };
}

function isRetry(count: string | string[] | undefined): boolean {
  return typeof count === 'string' && /^[1-9][0-9]{0,5}$/.test(count);
}
