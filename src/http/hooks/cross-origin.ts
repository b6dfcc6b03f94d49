import cors, { type OriginFunction } from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { responseHeaders } from '../../schemas/contracts/response-headers.ts';
import { isOriginAmong } from '../../text/web-origin.ts';

const preflightAgeS = 7_200;

/**
 * The hook that lets pages of other origins call every route and read every
 * header of every response, of errors and streams too. Cookies are never
 * allowed: callers are known by the credential that they send on purpose.
 *
 * Register it before authentication, because a preflight carries no credential.
 */
export async function allowOrigins(
  app: FastifyInstance,
  origins: readonly string[] | '*' | undefined,
): Promise<void> {
  if (origins === undefined) return;
  await app.register(cors, {
    origin: origins === '*' ? '*' : originResolver(origins),
    methods: ['GET', 'HEAD', 'POST'],
    exposedHeaders: Object.keys(responseHeaders),
    maxAge: preflightAgeS,
    strictPreflight: false,
  });
}

/** Names the origin of a request as the allowed one, or none. */
function originResolver(origins: readonly string[]): OriginFunction {
  return (header = '', done) => done(null, isOriginAmong(header, origins) ? header : []);
}
