import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { tokenIdBytes, type AccessTokens } from '../../callers/access-tokens.ts';
import type { Clock } from '../../clock/clock.ts';
import { createToken } from '../../schemas/contracts/token-contracts.ts';
import { tokenTtlSecondsMax } from '../../schemas/tokens.ts';
import { bodyOf, serve } from '../route.ts';

/** POST /v1/tokens: a caller gives a browser a part of its rights, for minutes. */
export function tokensRoutes(
  app: FastifyInstance,
  { tokens, clock }: { readonly tokens: AccessTokens; readonly clock: Clock },
): void {
  serve(app, createToken, async (call) => {
    const { request, reply } = call;
    const { body } = bodyOf(call);
    const askedMs = (body.ttlSeconds ?? tokenTtlSecondsMax) * 1000;
    // It lends the rights of a credential, and ends with it.
    const expiresAtMs = Math.min(clock.nowMs() + askedMs, request.identity.expiresAtMs ?? Infinity);
    const scopes = [...new Set(body.scopes)];
    const token = tokens.seal({
      id: randomBytes(tokenIdBytes).toString('base64url'),
      subject: request.identity.subject,
      keyId: request.identity.keyId,
      scopes,
      expiresAtMs,
      imagesMax: body.maxImages,
    });
    return reply
      .code(201)
      .header('cache-control', 'no-store')
      .header('content-type', 'application/json; charset=utf-8')
      .send(JSON.stringify({ token, expiresAt: new Date(expiresAtMs).toISOString(), scopes }));
  });
}
