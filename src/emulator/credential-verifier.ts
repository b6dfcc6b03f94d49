import { constants, createPublicKey, randomBytes, verify, type KeyObject } from 'node:crypto';
import { status, type Metadata } from '@grpc/grpc-js';
import type { Ledger } from './ledger.ts';
import { RpcError } from '../rpc/rpc-error.ts';

/** The public half of a service account's authorized key. */
export interface ServiceAccountKey {
  readonly id: string;
  readonly serviceAccountId: string;
  readonly publicKeyPem: string;
}

/** The credentials that the emulator accepts. */
export interface AcceptedCredentials {
  readonly apiKeys?: readonly string[];
  readonly iamTokens?: readonly string[];
  readonly serviceAccountKeys?: readonly ServiceAccountKey[];
}

const audience = 'https://iam.api.cloud.yandex.net/iam/v1/tokens';
const tokenLifeMs = 12 * 3_600_000;
const assertionLifeS = 3_600;
const clockSkewS = 60;
const issuedMax = 10_000;

/** The check of each call's credential, and the exchange of signed assertions for tokens. */
export class CredentialVerifier {
  readonly #accepted: AcceptedCredentials | undefined;
  readonly #ledger: Pick<Ledger, 'exchanges' | 'refusedCredentials'>;
  readonly #issued = new Map<string, number>();

  /** Without `accepted` every call is accepted. */
  constructor(
    accepted: AcceptedCredentials | undefined,
    ledger: Pick<Ledger, 'exchanges' | 'refusedCredentials'>,
  ) {
    this.#accepted = accepted;
    this.#ledger = ledger;
  }

  /** @throws RpcError UNAUTHENTICATED for a call without an accepted credential. */
  check(metadata: Metadata, nowMs: number): void {
    const accepted = this.#accepted;
    if (accepted === undefined) return;
    const values = metadata.get('authorization');
    const match = values.length === 1 ? /^(bearer|api-key) +(\S+)$/i.exec(String(values[0])) : null;
    const [, scheme = '', secret = ''] = match ?? [];
    const isApiKey = scheme.toLowerCase() === 'api-key';
    const isKnown = isApiKey
      ? accepted.apiKeys?.includes(secret)
      : accepted.iamTokens?.includes(secret) === true || (this.#issued.get(secret) ?? 0) > nowMs;
    if (match === null || isKnown !== true) {
      this.#ledger.refusedCredentials += 1;
      throw new RpcError(status.UNAUTHENTICATED, 'Token is invalid or has expired.');
    }
  }

  /**
   * Issues an IAM token for an assertion signed with a known key.
   *
   * @throws RpcError UNAUTHENTICATED that says what is wrong with the assertion.
   */
  exchange(jwt: string, nowMs: number): { readonly token: string; readonly expiresAtMs: number } {
    const [header, claims, signature, ...more] = jwt.split('.');
    if (
      header === undefined ||
      claims === undefined ||
      signature === undefined ||
      more.length > 0
    ) {
      throw unauthenticated('the assertion is no JWT');
    }
    const { typ, alg, kid } = decoded(header);
    if (typ !== 'JWT' || alg !== 'PS256')
      throw unauthenticated('the header must say typ JWT and alg PS256');
    const key = this.#accepted?.serviceAccountKeys?.find(({ id }) => id === kid);
    if (key === undefined) throw unauthenticated('the key id is unknown');
    if (!isSigned(`${header}.${claims}`, signature, createPublicKey(key.publicKeyPem))) {
      throw unauthenticated('the signature is wrong');
    }
    checkClaims(decoded(claims), key, nowMs / 1000);
    this.#forgetIssued(nowMs);
    const token = `t1.${randomBytes(32).toString('base64url')}`;
    const expiresAtMs = nowMs + tokenLifeMs;
    this.#issued.set(token, expiresAtMs);
    this.#ledger.exchanges += 1;
    return { token, expiresAtMs };
  }

  #forgetIssued(nowMs: number): void {
    // In order of issue, and all live equally long.
    for (const [token, expiresAtMs] of this.#issued) {
      if (expiresAtMs > nowMs && this.#issued.size < issuedMax) return;
      this.#issued.delete(token);
    }
  }
}

function checkClaims(claims: Record<string, unknown>, key: ServiceAccountKey, nowS: number): void {
  const { iss, aud, iat, exp } = claims;
  if (iss !== key.serviceAccountId)
    throw unauthenticated('iss is not the service account of the key');
  if (aud !== audience) throw unauthenticated(`aud must be ${audience}`);
  if (typeof iat !== 'number' || iat > nowS + clockSkewS)
    throw unauthenticated('iat must be in the past');
  if (typeof exp !== 'number' || exp <= nowS) throw unauthenticated('the assertion has expired');
  if (exp > iat + assertionLifeS) throw unauthenticated('exp must be at most an hour after iat');
}

function isSigned(text: string, signature: string, key: KeyObject): boolean {
  const options = {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  return verify('sha256', Buffer.from(text), options, Buffer.from(signature, 'base64url'));
}

function decoded(part: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    throw unauthenticated('the assertion is no JWT');
  }
  if (typeof value !== 'object' || value === null) throw unauthenticated('the assertion is no JWT');
  return value as Record<string, unknown>;
}

function unauthenticated(message: string): RpcError {
  return new RpcError(status.UNAUTHENTICATED, message);
}
