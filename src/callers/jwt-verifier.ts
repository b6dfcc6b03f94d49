import {
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { isLoopbackHost } from '../text/host.ts';
import { isVisibleAscii } from '../text/visible-ascii.ts';
import type { Caller } from './identity.ts';
import { openIssuerKeys, type IssuerKeysLog } from './issuer-keys.ts';

/** The caller that a valid token names. */
export interface VerifiedToken {
  /** Named by `sub`; its limits come from elsewhere. */
  readonly caller: Caller;
  /** What the token allows; absent without a scope claim. */
  readonly scopes?: readonly string[];
  /** When it ends, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

/** The verifier of JWTs (RFC 7519): it accepts tokens of one issuer that were made for this gateway. */
export interface JwtVerifier {
  /** Undefined for a token that is not valid, and while there are no keys. Never rejects. */
  verify(token: string): Promise<VerifiedToken | undefined>;
  /** Stops fetching keys. */
  close(): void;
}

export interface JwtVerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  /** https, or http on this machine. */
  readonly jwksUrl: string;
  /** Longest time from the issue of a token to its end. */
  readonly lifeMsMax: number;
  /** Absent: all of `jwtAlgorithms`. */
  readonly algorithms?: readonly string[] | undefined;
  /** Milliseconds since 1970: tokens expire by it. */
  readonly nowMs: () => number;
  /** Monotonic milliseconds: keys age by it. */
  readonly elapsedMs: () => number;
  readonly log?: IssuerKeysLog | undefined;
}

/**
 * The accepted algorithms: signatures by a private key only. With a shared secret
 * (HS256), anyone could sign with the issuer's public key (RFC 8725, section 2.1).
 */
export const jwtAlgorithms: readonly string[] = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

const clockToleranceS = 30;
const tokenLengthMax = 16_384;
// Keys of one algorithm that are tried for a token without `kid`.
const keysTriedMax = 8;
const subjectCharactersMax = 128;
const reportEveryMs = 60_000;
/** What the claims `typ`, `token_use` and `token_type` of an access token say, in small letters. */
const accessKinds: ReadonlySet<unknown> = new Set([
  ...['access', 'access_token', 'at+jwt', 'bearer', 'dpop', 'jwt'],
]);
/** `scope` is RFC 8693, section 4.2; the others are older. */
const scopeClaims = ['scope', 'scp', 'scopes'];

/** @throws Error that names the option which is wrong. */
export function openJwtVerifier({
  issuer,
  audience,
  jwksUrl,
  lifeMsMax,
  algorithms = jwtAlgorithms,
  nowMs,
  elapsedMs,
  log,
}: JwtVerifierOptions): JwtVerifier {
  if (issuer === '') throw new Error('issuer: must not be empty');
  if (audience === '') throw new Error('audience: must not be empty');
  if (algorithms.length === 0 || !algorithms.every((name) => jwtAlgorithms.includes(name))) {
    throw new Error(`algorithms: must be some of ${jwtAlgorithms.join(', ')}`);
  }
  const keySet = openIssuerKeys({ url: keysUrlFromText(jwksUrl), elapsedMs, log });
  const report = reporter(elapsedMs, log);
  return {
    async verify(token) {
      const header = headerOf(token);
      if (header === undefined || !algorithms.includes(header.alg)) return undefined;
      const keys = await keySet.keysFor(header.kid);
      if (keys === undefined) return undefined;
      const payload = await payloadOf(token, keys, {
        issuer,
        audience,
        algorithms: [...algorithms],
        requiredClaims: ['exp', 'sub'],
        clockTolerance: clockToleranceS,
        currentDate: new Date(nowMs()),
      });
      if (payload === undefined) return undefined;
      const objection =
        objectionToType(header.typ, payload) ??
        objectionToTimes(payload, { nowS: nowMs() / 1000, lifeSMax: lifeMsMax / 1000 });
      if (objection === undefined) return verifiedFromPayload(payload);
      report(objection);
      return undefined;
    },
    close: () => keySet.close(),
  };
}

/** The URL of the keys. Over plain http, keys could be replaced on the way, and then tokens forged. */
function keysUrlFromText(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url?.protocol === 'http:' && isLoopbackHost(url.hostname);
  if (url === undefined || (url.protocol !== 'https:' && !isLocal)) {
    throw new Error('jwksUrl: must be an https URL (http only on loopback)');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error('jwksUrl: must hold no user name or password');
  }
  return url;
}

interface TokenHeader {
  readonly alg: string;
  readonly kid: string | undefined;
  readonly typ: string | undefined;
}

function headerOf(token: string): TokenHeader | undefined {
  if (token.length > tokenLengthMax) return undefined;
  try {
    const { alg, kid, typ } = decodeProtectedHeader(token);
    if (typeof alg !== 'string') return undefined;
    const areTexts = [kid, typ].every((text) => text === undefined || typeof text === 'string');
    return areTexts ? { alg, kid, typ } : undefined;
  } catch {
    return undefined;
  }
}

/** The claims of a valid token. Why another token is not valid is not reported: that would help to forge one. */
async function payloadOf(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return undefined;
    return payloadOfAny(token, error, options);
  }
}

/** The same for a token without `kid` of an issuer with several keys of its algorithm, as during a rotation. */
async function payloadOfAny(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload | undefined> {
  let tried = 0;
  try {
    for await (const key of candidates) {
      tried += 1;
      if (tried > keysTriedMax) return undefined;
      const result = await jwtVerify(token, key, options).catch(() => undefined);
      if (result !== undefined) return result.payload;
    }
  } catch {
    // An unreadable key: no signature can be verified with it.
  }
  return undefined;
}

/**
 * Why a token of the issuer is none to call with, by its type (RFC 9068, section 4). An
 * ID token says who signed in, and is often sent to places that an access token is not.
 */
function objectionToType(typ: string | undefined, payload: JWTPayload): string | undefined {
  const type = typ?.toLowerCase().replace(/^application\//, '');
  if (type === 'at+jwt') return undefined;
  if (type !== undefined && type !== 'jwt') return 'its typ is not at+jwt or JWT';
  if (['at_hash', 'c_hash', 's_hash'].some((name) => name in payload)) return 'it is an ID token';
  if ('events' in payload) return 'it is a security event';
  // How Keycloak, Cognito and others say it of access, ID, refresh and logout tokens alike.
  const kindClaims = ['typ', 'token_use', 'token_type'].filter((name) => name in payload);
  const other = kindClaims.find((name) => !accessKinds.has(lowerCase(payload[name])));
  if (other !== undefined) return `its claim ${other} is not that of an access token`;
  if (lowerCase(payload['type']) === 'refresh') return 'it is a refresh token';
  return 'nonce' in payload && kindClaims.length === 0 ? 'it is an ID token' : undefined;
}

function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

/** Why a token is refused for its times. That it has ended, or not begun, was checked before. */
function objectionToTimes(
  { iat, nbf, exp = 0 }: JWTPayload,
  { nowS, lifeSMax }: { readonly nowS: number; readonly lifeSMax: number },
): string | undefined {
  if (iat !== undefined && typeof iat !== 'number') return 'its iat is no number';
  if (iat !== undefined && iat > nowS + clockToleranceS) return 'its iat is in the future';
  const beganS = Math.min(nowS, iat ?? nbf ?? nowS);
  return exp - beganS > lifeSMax + clockToleranceS
    ? 'it lives longer than JWT_LIFE_S_MAX'
    : undefined;
}

/** Logs why a token with a valid signature is refused: once a minute, because callers repeat themselves. */
function reporter(elapsedMs: () => number, log: IssuerKeysLog | undefined) {
  let quietUntilMs = -Infinity;
  return (objection: string) => {
    if (elapsedMs() < quietUntilMs) return;
    quietUntilMs = elapsedMs() + reportEveryMs;
    log?.warn({ objection }, 'JWT of the issuer refused');
  };
}

function verifiedFromPayload(payload: JWTPayload): VerifiedToken | undefined {
  const { sub, exp = 0 } = payload;
  if (typeof sub !== 'string' || !isVisibleAscii(sub, subjectCharactersMax)) return undefined;
  const verified = { caller: { name: sub }, expiresAtMs: exp * 1000 };
  const [named, ...others] = scopeClaims
    .filter((name) => name in payload)
    .map((name) => scopesFromClaim(payload[name]));
  if (named === undefined) return verified;
  // Of claims that differ none may add to what another one leaves out.
  return {
    ...verified,
    scopes: named.filter((name) => others.every((scopes) => scopes.includes(name))),
  };
}

/** The scopes of a claim. An unreadable claim allows nothing rather than everything. */
function scopesFromClaim(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((name) => name !== '');
  if (!Array.isArray(claim)) return [];
  return claim.every((name) => typeof name === 'string') ? claim : [];
}
