import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { responseHeaders } from '../../schemas/contracts/response-headers.ts';

const preflightAgeS = 7_200;

/**
 * Lets pages of other origins call every route and read every header of every
 * answer, errors and streams too. Never with credentials of the browser's own
 * (cookies): callers are told apart by what they send on purpose.
 *
 * To be registered before callers are asked who they are, as a preflight carries no credential.
 */
export async function allowOrigins(
  app: FastifyInstance,
  origins: readonly string[] | '*' | undefined,
): Promise<void> {
  if (origins === undefined) return;
  await app.register(cors, {
    origin: origins === '*' ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST'],
    exposedHeaders: Object.keys(responseHeaders),
    maxAge: preflightAgeS,
    strictPreflight: false,
  });
}
