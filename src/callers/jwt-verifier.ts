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
  /** Absent: all of `jwtAlgorithms`. */
  readonly algorithms?: readonly string[] | undefined;
  /** Milliseconds since 1970: tokens expire by it, and keys age by it. */
  readonly nowMs: () => number;
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

/** @throws Error that names the option which is wrong. */
export function openJwtVerifier({
  issuer,
  audience,
  jwksUrl,
  algorithms = jwtAlgorithms,
  nowMs,
  log,
}: JwtVerifierOptions): JwtVerifier {
  if (issuer === '') throw new Error('issuer: must not be empty');
  if (audience === '') throw new Error('audience: must not be empty');
  if (algorithms.length === 0 || !algorithms.every((name) => jwtAlgorithms.includes(name))) {
    throw new Error(`algorithms: must be some of ${jwtAlgorithms.join(', ')}`);
  }
  const keySet = openIssuerKeys({ url: keysUrlFromText(jwksUrl), nowMs, log });
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
      return payload === undefined ? undefined : verifiedFromPayload(payload);
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

function headerOf(token: string): { alg: string; kid: string | undefined } | undefined {
  if (token.length > tokenLengthMax) return undefined;
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (typeof alg !== 'string') return undefined;
    return kid === undefined || typeof kid === 'string' ? { alg, kid } : undefined;
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

function verifiedFromPayload(payload: JWTPayload): VerifiedToken | undefined {
  const { sub, scope, scp } = payload;
  if (typeof sub !== 'string' || !isVisibleAscii(sub, subjectCharactersMax)) return undefined;
  const caller: Caller = { name: sub };
  // `scope` is RFC 8693, section 4.2; `scp` is older.
  const claim = scope ?? scp;
  return claim === undefined ? { caller } : { caller, scopes: scopesFromClaim(claim) };
}

/** The scopes of a claim. An unreadable claim allows nothing rather than everything. */
function scopesFromClaim(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ').filter((name) => name !== '');
  if (!Array.isArray(claim)) return [];
  return claim.every((name) => typeof name === 'string') ? claim : [];
}
