import cors, { type OriginFunction } from '@fastify/cors';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Log } from '../../observability/log.ts';
import { responseHeaders } from '../../schemas/contracts/response-headers.ts';
import { printableText } from '../../text/printable.ts';
import { isOriginAmong } from '../../text/web-origin.ts';

export interface CrossOriginOptions {
  readonly log: Log;
  /** Patterns of the origins whose pages may call. */
  readonly corsOrigins?: readonly string[] | '*' | undefined;
}

const preflightAgeS = 7_200;

/** Every header that a page may read: those of the contracts, and those that any response may have. */
const exposedHeaders: readonly string[] = [
  ...new Set([
    ...Object.keys(responseHeaders),
    ...['Content-Length', 'Content-Type', 'Repr-Digest', 'Vary', 'X-Accel-Buffering'],
    ...['Content-Security-Policy', 'Cross-Origin-Resource-Policy', 'Referrer-Policy'],
    'X-Content-Type-Options',
  ]),
];
const loggedOriginsMax = 100;
const originCharactersMax = 200;

/**
 * The hooks that let pages of the listed origins call every route and read every
 * header of every response, of errors and streams too. Cookies are never
 * allowed: callers are known by the credential that they send on purpose.
 *
 * Register them before authentication, because a preflight carries no credential.
 */
export async function allowOrigins(
  app: FastifyInstance,
  { corsOrigins = [], log }: CrossOriginOptions,
): Promise<void> {
  if (corsOrigins !== '*') refusePreflights(app, corsOrigins, log);
  if (corsOrigins.length === 0) return;
  await app.register(cors, {
    origin: corsOrigins === '*' ? '*' : originResolver(corsOrigins),
    methods: ['GET', 'HEAD', 'POST'],
    exposedHeaders: [...exposedHeaders],
    maxAge: preflightAgeS,
    strictPreflight: false,
  });
}

/**
 * The headers with which a page of this origin may read a response that is written
 * without these hooks. The same as theirs, where pages may call at all.
 */
export function crossOriginHeaders(
  origin: string | undefined,
  corsOrigins: readonly string[] | '*' = [],
): Readonly<Record<string, string>> {
  if (corsOrigins.length === 0) return {};
  const isListed = origin !== undefined && isOriginAmong(origin, corsOrigins);
  const allowed = corsOrigins === '*' ? '*' : isListed ? origin : undefined;
  return {
    ...(corsOrigins !== '*' && { vary: 'Origin' }),
    ...(allowed !== undefined && { 'access-control-allow-origin': allowed }),
    'access-control-expose-headers': exposedHeaders.join(', '),
  };
}

/** Names the origin of a request as the allowed one, or none. */
function originResolver(origins: readonly string[]): OriginFunction {
  return (header = '', done) => done(null, isOriginAmong(header, origins) ? header : []);
}

/**
 * Refuses preflights from other origins in words, and logs each origin once: a
 * browser shows its user only that something failed, so the person who set
 * CORS_ORIGINS looks here.
 */
function refusePreflights(app: FastifyInstance, origins: readonly string[], log: Log): void {
  const logged = new Set<string>();
  app.addHook('onRequest', (request, _reply, done) => {
    const { origin } = request.headers;
    if (origin === undefined || !isPreflight(request) || isOriginAmong(origin, origins)) {
      return done();
    }
    const shown = printableText(origin, originCharactersMax);
    if (!logged.has(shown) && logged.size < loggedOriginsMax) {
      logged.add(shown);
      log.warn({ origin: shown }, 'preflight refused: the origin is not in CORS_ORIGINS');
    }
    done(new GatewayError('cross_site_refused', 'the origin of this page is not in CORS_ORIGINS'));
  });
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}
