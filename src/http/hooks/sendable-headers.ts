import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';

/** Headers that describe the body of the response, which an error replaces. */
const bodyHeaders =
  /^(?:content-.*|etag|last-modified|accept-ranges|cache-control|repr-digest|retry-after)$/;

/**
 * The hook that looks at the headers of every response before they are written.
 *
 * Node throws at a header that HTTP can't carry, after Fastify has given the
 * response up: the caller would get a bare 500 without an id, for an image that
 * was paid for. Here the same becomes an error like any other, which says by
 * X-Operation-Id where the image is.
 *
 * Register it last: it sees what the hooks before it have added.
 */
export function refuseUnsendableHeaders(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    const unsendable = unsendableHeadersOf(reply);
    if (unsendable.length === 0) return done(null, payload);
    for (const name of unsendable) reply.removeHeader(name);
    // An error is sent without them: it must not end in another error.
    if (request.logContext.error !== undefined) return done(null, payload);
    if (isDestroyable(payload)) payload.destroy();
    for (const name of Object.keys(reply.getHeaders())) {
      if (bodyHeaders.test(name)) reply.removeHeader(name);
    }
    const detail = `the response has headers that can not be sent: ${unsendable.join(', ')}`;
    done(new GatewayError('internal_error', detail));
  });
}

function unsendableHeadersOf(reply: FastifyReply): readonly string[] {
  return Object.entries(reply.getHeaders())
    .filter(([name, value]) => !isSendable(name, value))
    .map(([name]) => name);
}

function isSendable(name: string, value: number | string | string[] | undefined): boolean {
  try {
    validateHeaderName(name);
    for (const line of [value].flat()) validateHeaderValue(name, String(line));
    return true;
  } catch {
    return false;
  }
}

function isDestroyable(payload: unknown): payload is { destroy(): void } {
  return typeof (payload as { destroy?: unknown } | null | undefined)?.destroy === 'function';
}
