import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ClientAttempts } from '../operations/create/client-attempts.ts';
import type { IdempotencyScope } from '../operations/create/create-request.ts';
import { fingerprintOf, idempotencyKeyFromHeaders, recordKeyOf } from './idempotency-key.ts';

/** Longer than any client library repeats a request by itself. */
const retriesMs = 15 * 60_000;
const route = 'createOpenAiImage';

/** The idempotency record of one image of a request in OpenAI's form; `index`: which of the `n` images. */
export type ScopeOfImage = (index: number) => IdempotencyScope;

/**
 * What makes a retry find the operations that the same request started before.
 *
 * Without an idempotency key, it is the attempt that the request belongs to: a
 * retry of the client library (`x-stainless-retry-count` ≥ 1) joins the attempt
 * that it repeats, and never pays twice. A first request always starts an
 * operation of its own: two equal requests are two images.
 *
 * @param asked what the request asks for, in canonical form.
 * @throws GatewayError `idempotency_key_invalid`, `store_unavailable`.
 */
export async function retryIdentityOf(
  { identity, raw, headers }: FastifyRequest,
  reply: FastifyReply,
  { asked, attempts }: { readonly asked: unknown; readonly attempts: ClientAttempts },
): Promise<ScopeOfImage> {
  const { keysOf } = identity;
  const fingerprint = fingerprintOf(asked);
  const key = idempotencyKeyFromHeaders(raw.rawHeaders);
  if (key !== undefined) {
    return (index) => ({ recordKey: recordKeyOf(keysOf, nameOfImage(index), key), fingerprint });
  }
  const recordKey = recordKeyOf(keysOf, `${route} attempts`, fingerprint);
  const attempt = await attempts.take(
    { recordKey, fingerprint },
    retryCountOf(headers['x-stainless-retry-count']),
  );
  const response = reply.raw;
  const leave = () => void attempt.leave(response.writableFinished && response.statusCode < 400);
  if (response.closed) leave();
  else response.once('close', leave);
  return (index) => ({
    recordKey: recordKeyOf(keysOf, `${nameOfImage(index)} attempt`, attempt.name),
    fingerprint,
    keepMs: retriesMs,
  });
}

function nameOfImage(index: number): string {
  return index === 0 ? route : `${route} ${index}`;
}

function retryCountOf(count: string | string[] | undefined): number {
  return typeof count === 'string' && /^[0-9]{1,6}$/.test(count) ? Number(count) : 0;
}
