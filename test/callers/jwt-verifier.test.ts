import { createHmac } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openJwtVerifier, type JwtVerifier } from '../../src/callers/jwt-verifier.ts';
import {
  audience,
  issuer,
  startTokenIssuer,
  type SigningKey,
  type TokenIssuer,
} from '../support/token-issuer.ts';

const hourMs = 3_600_000;
const lifeMsMax = 24 * hourMs;
let warnings: object[];
let nowMs: number;
/** Time that a test sets the clock by, which is no time that has passed. */
let setByMs: number;
const elapsedMs = () => nowMs - setByMs;
let keys: TokenIssuer;
let key: SigningKey;
let verifier: JwtVerifier;

beforeEach(async () => {
  nowMs = Date.parse('2026-11-24T00:00:00Z');
  warnings = [];
  setByMs = 0;
  keys = await startTokenIssuer(() => nowMs);
  key = await keys.addKey('first');
  verifier = open();
});
afterEach(async () => {
  verifier.close();
  await keys.close();
});

function open(algorithms?: readonly string[]): JwtVerifier {
  return openJwtVerifier({
    ...{ issuer, audience, jwksUrl: keys.url, lifeMsMax, nowMs: () => nowMs, elapsedMs },
    log: { warn: (details: object) => void warnings.push(details) },
    algorithms,
  });
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a token', () => {
  it('of the issuer names its subject as the caller', async () => {
    expect(await verifier.verify(await key.token())).toEqual({
      ...{ caller: { name: 'shop' }, expiresAtMs: nowMs + 600_000 },
    });
    const scoped = await verifier.verify(await key.token({ scope: 'images:create other' }));
    expect(scoped?.scopes).toEqual(['images:create', 'other']);
    const listed = await verifier.verify(await key.token({ scp: ['operations:read'] }));
    expect(listed?.scopes).toEqual(['operations:read']);
  });

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed by %s', async (algorithm) => {
    const other = await keys.addKey('other', algorithm);
    expect(await verifier.verify(await other.token())).toBeDefined();
  });

  it.each([
    ['another issuer', { iss: 'https://elsewhere.example' }],
    ['another audience', { aud: 'another-service' }],
    ['a time that is over', { exp: 1_795_478_000 }],
    ['a time that has not begun', { nbf: 1_799_999_999 }],
    ['no end', { exp: undefined }],
    ['no subject', { sub: undefined }],
    ['a subject with spaces', { sub: 'a b' }],
  ])('with %s is none', async (_, claims) => {
    expect(await verifier.verify(await key.token(claims as JWTPayload))).toBeUndefined();
  });

  it.each([7, null, { images: 'create' }, ['images:create', 7], ''])(
    'with the scope claim %j, which names none, allows nothing',
    async (scope) => {
      expect((await verifier.verify(await key.token({ scope })))?.scopes).toEqual([]);
      expect((await verifier.verify(await key.token({ scp: scope })))?.scopes).toEqual([]);
    },
  );

  it('with several scope claims allows only what each of them names', async () => {
    const scopesOf = async (claims: JWTPayload) =>
      (await verifier.verify(await key.token(claims)))?.scopes;
    expect(await scopesOf({ scopes: ['images:create', 'other'] })).toEqual([
      'images:create',
      'other',
    ]);
    expect(await scopesOf({ scopes: 'other' })).toEqual(['other']);
    expect(await scopesOf({ scope: 'images:create', scp: ['other'] })).toEqual([]);
    const wide = 'images:create operations:read';
    expect(await scopesOf({ scope: wide, scopes: ['operations:read'] })).toEqual([
      'operations:read',
    ]);
  });

  it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'JWT', 'jwt', undefined])(
    'of the type %s is an access token',
    async (typ) => {
      expect(await verifier.verify(await key.token({}, { typ }))).toBeDefined();
    },
  );

  it.each([
    ...[
      'id_token+jwt',
      'logout+jwt',
      'secevent+jwt',
      'dpop+jwt',
      'kb+jwt',
      'application/json',
      '',
      'JOSE',
    ],
    ...[7, null, ['at+jwt']],
  ])('of the type %j is refused', async (typ) => {
    expect(await verifier.verify(await key.token({}, { typ }))).toBeUndefined();
  });

  it.each<[string, JWTPayload]>([
    ['a nonce', { nonce: 'n-0S6_WzA2Mj' }],
    ['the hash of an access token', { at_hash: '77QmUPtjPfzWtF2AnpK9RQ' }],
    ['the hash of a code', { c_hash: 'LDktKdoQak3Pk0cnXxCltA' }],
    ['the mark of Keycloak', { typ: 'ID', azp: 'shop-app' }],
    ['the hash of a state', { s_hash: 'X48E9qOokqqrvdts8nOJRJ' }],
    ['the mark of Cognito', { token_use: 'id' }],
    ['the mark of a refresh token of Keycloak', { typ: 'Refresh' }],
    ['the mark of an offline token', { typ: 'Offline', nonce: 'n' }],
    ['the mark of a logout token', { typ: 'Logout' }],
    ['the mark of a refresh token of Simple JWT', { token_type: 'refresh' }],
    ['the mark of a refresh token of Flask', { type: 'refresh' }],
    ['a use that is no text', { token_use: 7 }],
    [
      'the event of a logout',
      { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
    ],
  ])('with %s is an ID token or none at all, and refused', async (_, claims) => {
    expect(await verifier.verify(await key.token(claims))).toBeUndefined();
    expect(await verifier.verify(await key.token(claims, { typ: 'JWT' }))).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });

  it('with a nonce may be an access token that says so', async () => {
    for (const claims of [
      { nonce: 'n', typ: 'Bearer' },
      { nonce: 'n', token_use: 'access' },
      { typ: 'DPoP', token_type: 'Bearer', type: 'service' },
    ]) {
      expect(await verifier.verify(await key.token(claims))).toBeDefined();
    }
    expect(await verifier.verify(await key.token({ nonce: 'n' }, { typ: 'at+jwt' }))).toBeDefined();
  });

  it.each<[string, () => JWTPayload]>([
    ['ends in another universe', () => ({ exp: 1e300 })],
    ['ends at a time in milliseconds', () => ({ exp: nowMs })],
    ['ends in more than the longest life', () => ({ exp: nowMs / 1000 + 86_400 + 60 })],
    ['has lived longer already', () => ({ iat: nowMs / 1000 - 90_000 })],
    ['begins long before it ends', () => ({ nbf: nowMs / 1000 - 90_000 })],
    ['was issued in the future', () => ({ iat: nowMs / 1000 + 60 })],
    ['was issued at no time', () => ({ iat: 'yesterday' as unknown as number })],
  ])('that %s is refused', async (_, claims) => {
    expect(await verifier.verify(await key.token(claims()))).toBeUndefined();
  });

  it('may live for the longest life, and be issued by a clock that is 30 s ahead', async () => {
    const claims = { iat: nowMs / 1000 + 29, exp: nowMs / 1000 + 86_400 };
    expect(await verifier.verify(await key.token(claims))).toBeDefined();
  });

  it('is valid for 30 s after its end, because clocks differ', async () => {
    const token = await key.token();
    await verifier.verify(token);
    nowMs += 629_000;
    expect(await verifier.verify(token)).toBeDefined();
    nowMs += 2_000;
    expect(await verifier.verify(token)).toBeUndefined();
  });

  it('without a signature, or signed with the public key as a secret, is refused', async () => {
    const good = await key.token();
    const [, payload = ''] = good.split('.');
    const unsigned = `${base64url({ alg: 'none', kid: 'first' })}.${payload}.`;
    const head = `${base64url({ alg: 'HS256', kid: 'first' })}.${payload}`;
    const secrets = [JSON.stringify(key.publicJwk), key.publicJwk.x ?? '', ''];
    const forged = secrets.map(
      (secret) => `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`,
    );
    expect(await verifier.verify(good)).toBeDefined();
    for (const token of [unsigned, ...forged]) {
      expect(await verifier.verify(token)).toBeUndefined();
    }
  });

  it('is refused when any byte of it is changed', async () => {
    const token = await key.token();
    const last = token.length - 1;
    // The last character carries bits that do not count; jose refuses those, too, or reads the same bytes.
    for (let index = 0; index < last; index += 7) {
      const changed = `${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`;
      expect(await verifier.verify(changed), changed).toBeUndefined();
    }
    for (const odd of ['', '.', '..', 'a.b.c', `${token}.`, 'x'.repeat(100_000)]) {
      expect(await verifier.verify(odd)).toBeUndefined();
    }
  });

  it('that brings its own key, or a URL of one, is refused', async () => {
    const other = await startTokenIssuer(() => nowMs);
    const foreign = await other.addKey('first');
    for (const header of [{ jwk: foreign.publicJwk }, { jku: other.url }]) {
      expect(await verifier.verify(await foreign.token({}, header))).toBeUndefined();
    }
    expect(other.fetches).toBe(0);
    await other.close();
  });

  it('of an algorithm that is not listed is refused', async () => {
    const strict = open(['RS256']);
    expect(await strict.verify(await key.token())).toBeUndefined();
    strict.close();
  });
});

describe('the keys', () => {
  it('are fetched once for many tokens', async () => {
    const token = await key.token();
    await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)));
    await verifier.verify(token);
    expect(keys.fetches).toBe(1);
  });

  it('may rotate: a new key is fetched, a removed key is refused', async () => {
    const old = await key.token({ exp: Math.floor(nowMs / 1000) + 7_200 });
    await verifier.verify(old);
    const second = await keys.addKey('second');
    expect(await verifier.verify(await second.token())).toBeDefined();
    expect(keys.fetches).toBe(2);
    keys.published = { keys: [second.publicJwk] };
    nowMs += hourMs;
    await verifier.verify(await second.token());
    await eventually(async () => (await verifier.verify(old)) === undefined);
  });

  it.each([3_600_000, -3_600_000, 86_400_000])(
    'are refreshed as before when the clock is set by %i ms',
    async (stepMs) => {
      await verifier.verify(await key.token());
      nowMs += stepMs;
      setByMs += stepMs;
      const second = await keys.addKey('second');
      nowMs += 40_000;
      expect(await verifier.verify(await second.token())).toBeDefined();
      keys.isBroken = true;
      nowMs += 23 * hourMs;
      expect(await verifier.verify(await second.token())).toBeDefined();
    },
  );

  it('are not fetched again for a flood of unknown ids', async () => {
    await verifier.verify(await key.token());
    const flood = Array.from({ length: 300 }, (_, index) => key.token({}, { kid: `no-${index}` }));
    const results = await Promise.all(
      (await Promise.all(flood)).map((token) => verifier.verify(token)),
    );
    expect(results.every((result) => result === undefined)).toBe(true);
    for (let index = 0; index < 20; index += 1) {
      await verifier.verify(await key.token({}, { kid: `later-${index}` }));
    }
    expect(keys.fetches).toBeLessThanOrEqual(2);
    expect(await verifier.verify(await key.token())).toBeDefined();
  });

  it('that are known are accepted for 24 h while the issuer is down; unknown ones are refused', async () => {
    await verifier.verify(await key.token());
    const unknown = await keys.addKey('unknown');
    keys.isBroken = true;
    for (let hour = 0; hour < 23; hour += 1) {
      nowMs += hourMs;
      expect(await verifier.verify(await key.token()), `after ${hour} h`).toBeDefined();
    }
    expect(await verifier.verify(await unknown.token())).toBeUndefined();
    nowMs += 2 * hourMs;
    expect(await verifier.verify(await key.token())).toBeUndefined();
    keys.isBroken = false;
    nowMs += 60_000;
    await eventually(async () => (await verifier.verify(await key.token())) !== undefined);
  });

  it('in a broken document open nothing', async () => {
    const broken = await startTokenIssuer();
    const others = openJwtVerifier({
      ...{
        issuer,
        audience,
        jwksUrl: broken.url,
        lifeMsMax,
        nowMs: () => nowMs,
        elapsedMs,
        log: { warn() {} },
      },
    });
    for (const published of [{}, { keys: 'x' }, { keys: [{ kty: 'oct', k: 'AAAA' }] }]) {
      broken.published = published as never;
      nowMs += hourMs;
      expect(await others.verify(await key.token())).toBeUndefined();
    }
    others.close();
    await broken.close();
  });

  it.each([
    ['http://keys.example/jwks', 'must be an https URL'],
    ['not a url', 'must be an https URL'],
    ['https://user:password@keys.example/', 'must hold no user name'],
  ])('may not come from %s', (jwksUrl, words) => {
    const options = { issuer, audience, jwksUrl, lifeMsMax, nowMs: () => nowMs, elapsedMs };
    expect(() => openJwtVerifier(options)).toThrow(words);
  });
});

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 1_000; turn += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it never happened');
}
