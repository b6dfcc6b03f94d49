import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';

/**
 * The headers that have one value, by their lower-cased names. Host and
 * Content-Length are checked at the edge, because they decide where a request ends.
 */
const singularHeaders: ReadonlyMap<string, string> = new Map(
  [
    'Authorization',
    'X-Api-Key',
    'Content-Type',
    'Content-Encoding',
    'Idempotency-Key',
    'Origin',
    'Range',
    'If-Range',
    'Last-Event-ID',
  ].map((name) => [name.toLowerCase(), name]),
);

/**
 * The hook that refuses two lines of a header that has one value. Node keeps the
 * first line or joins them, while a proxy in front may have checked the other
 * one: the request would mean one thing there and another here.
 */
export function refuseRepeatedHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const name = repeatedHeader(request.raw.rawHeaders);
    const { contract } = request.routeOptions.config;
    done(name === undefined ? undefined : refusalOf(name, contract?.reasons));
  });
}

/** @param rawHeaders Names and values in turn, as they came. */
function repeatedHeader(rawHeaders: readonly string[]): string | undefined {
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = singularHeaders.get(rawHeaders[at]?.toLowerCase() ?? '');
    if (name === undefined) continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

/** @param reasons of the route: only creates have one for their keys. */
function refusalOf(name: string, reasons: readonly Reason[] = []): GatewayError {
  const isKey = name === 'Idempotency-Key' && reasons.includes('idempotency_key_invalid');
  const detail = 'expected one header line';
  return new GatewayError(
    isKey ? 'idempotency_key_invalid' : 'invalid_request',
    `${name}: ${detail}`,
    { violations: [{ header: name, code: 'repeated', detail }] },
  );
}
