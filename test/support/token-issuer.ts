import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';

/** An identity provider: signs tokens and publishes the keys to verify them. */
export interface TokenIssuer {
  readonly url: string;
  /** How often its keys were fetched. */
  readonly fetches: number;
  /** What it publishes; may be set to anything. */
  published: { keys: readonly JWK[] };
  /** While true, every response is a 500. */
  isBroken: boolean;
  addKey(kid: string, algorithm?: string): Promise<SigningKey>;
  close(): Promise<void>;
}

export interface SigningKey {
  readonly publicJwk: JWK;
  /** A token for `shop` that is good for ten minutes from `nowMs`, but for what is changed. */
  token(claims?: JWTPayload, header?: object): Promise<string>;
}

export const issuer = 'https://issuer.example';
export const audience = 'image-generation-gateway';

export async function startTokenIssuer(nowMs: () => number = Date.now): Promise<TokenIssuer> {
  const state = { fetches: 0 };
  const server = createServer((_request, response) => {
    state.fetches += 1;
    response.statusCode = result.isBroken ? 500 : 200;
    response.setHeader('content-type', 'application/jwk-set+json');
    response.end(JSON.stringify(result.published));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const result: TokenIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get fetches() {
      return state.fetches;
    },
    published: { keys: [] },
    isBroken: false,
    async addKey(kid, algorithm = 'ES256') {
      const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
      const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' };
      result.published = { keys: [...result.published.keys, publicJwk] };
      return {
        publicJwk,
        token: (claims = {}, header = {}) => {
          const nowS = Math.floor(nowMs() / 1000);
          const payload = { iss: issuer, aud: audience, sub: 'shop', exp: nowS + 600, ...claims };
          return new SignJWT(payload)
            .setProtectedHeader({ alg: algorithm, kid, ...header })
            .sign(privateKey);
        },
      };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return result;
}
