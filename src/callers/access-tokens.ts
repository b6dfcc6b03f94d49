import { canonicalBytes, openSeal, type SealSecrets } from '../sealing/seal.ts';
import { scopes, type Scope } from '../schemas/tokens.ts';
import { keyIdBytes } from './api-key.ts';

/** The contents of an access token: what its holder may do. */
export interface AccessToken {
  /** Unique, so that the images made with it can be counted. */
  readonly id: string;
  /** The caller whose limits and operations it uses. */
  readonly subject: string;
  /** The API key that it was made with, and ends with. */
  readonly keyId: string | undefined;
  readonly scopes: readonly Scope[];
  readonly expiresAtMs: number;
  readonly imagesMax: number | undefined;
}

/** The contents of a read token, which opens one operation for reading. */
export interface ReadToken {
  readonly tenant: string;
  /** The API key of the caller that it was given to. It ends with that key. */
  readonly keyId: string | undefined;
  readonly expiresAtMs: number;
}

/**
 * Tokens that need no store, because their contents are sealed inside them.
 *
 * An access token, `igt_…`, is for a browser. A read token stands in the link of
 * one operation; it is bound to that operation's id and opens no other.
 */
export interface AccessTokens {
  seal(token: AccessToken): string;
  /** Undefined for an expired token, and for any text that is not a token of this gateway. */
  open(text: string, nowMs: number): AccessToken | undefined;
  sealRead(operationId: string, token: ReadToken): string;
  /** Undefined for an expired token, and for any text that is not a read token of this operation. */
  openRead(text: string, operationId: string, nowMs: number): ReadToken | undefined;
}

const prefix = 'igt_';
export const tokenIdBytes = 8;
/** Bytes before the subject: expiry (6), scopes (1), images (4), id (8) and key id (8). */
const fixedBytes = 11 + tokenIdBytes + keyIdBytes;
/** Bytes before the tenant of a read token: expiry (6) and key id (8). */
const readFixedBytes = 6 + keyIdBytes;
/** In place of a key id, where there is no key. */
const noKey = Buffer.alloc(keyIdBytes);
const unbounded = 0xff_ff_ff_ff;
const textCharactersMax = 1_024;

export function openAccessTokens(secrets: SealSecrets): AccessTokens {
  // The number is that of the layout of the bytes: tokens of another layout do not open.
  const access = openSeal(secrets, 'access token 2');
  const read = openSeal(secrets, 'read token 2');
  return {
    seal: (token) => prefix + access.seal(bytesFromToken(token), prefix).toString('base64url'),
    open(text, nowMs) {
      if (!isAccessTokenText(text) || text.length > textCharactersMax) return undefined;
      const bytes = canonicalBytes(text.slice(prefix.length));
      const contents = bytes === undefined ? undefined : access.open(bytes, prefix);
      const token = contents === undefined ? undefined : tokenFromBytes(contents);
      return token === undefined || token.expiresAtMs <= nowMs ? undefined : token;
    },
    sealRead(operationId, { tenant, keyId, expiresAtMs }) {
      const fixed = Buffer.alloc(readFixedBytes);
      fixed.writeUIntBE(expiresAtMs, 0, 6);
      bytesFromKeyId(keyId).copy(fixed, 6);
      return read
        .seal(Buffer.concat([fixed, Buffer.from(tenant)]), operationId)
        .toString('base64url');
    },
    openRead(text, operationId, nowMs) {
      const bytes = text.length > textCharactersMax ? undefined : canonicalBytes(text);
      const contents = bytes === undefined ? undefined : read.open(bytes, operationId);
      if (contents === undefined) return undefined;
      const expiresAtMs = contents.readUIntBE(0, 6);
      if (expiresAtMs <= nowMs) return undefined;
      const keyId = keyIdFromBytes(contents.subarray(6, readFixedBytes));
      return { tenant: contents.toString('utf8', readFixedBytes), keyId, expiresAtMs };
    },
  };
}

/** Whether a credential has the form of an access token, valid or not. */
export function isAccessTokenText(text: string): boolean {
  return text.startsWith(prefix);
}

function bytesFromToken(token: AccessToken): Buffer {
  const subject = Buffer.from(token.subject);
  const bytes = Buffer.alloc(fixedBytes + subject.length);
  bytes.writeUIntBE(token.expiresAtMs, 0, 6);
  let bits = 0;
  for (const scope of token.scopes) bits |= 1 << scopes.indexOf(scope);
  bytes.writeUInt8(bits, 6);
  bytes.writeUInt32BE(token.imagesMax ?? unbounded, 7);
  Buffer.from(token.id, 'base64url').copy(bytes, 11, 0, tokenIdBytes);
  bytesFromKeyId(token.keyId).copy(bytes, 11 + tokenIdBytes);
  subject.copy(bytes, fixedBytes);
  return bytes;
}

function tokenFromBytes(bytes: Buffer): AccessToken {
  const bits = bytes.readUInt8(6);
  const imagesMax = bytes.readUInt32BE(7);
  return {
    id: bytes.toString('base64url', 11, 11 + tokenIdBytes),
    keyId: keyIdFromBytes(bytes.subarray(11 + tokenIdBytes, fixedBytes)),
    subject: bytes.toString('utf8', fixedBytes),
    scopes: scopes.filter((_scope, index) => (bits & (1 << index)) !== 0),
    expiresAtMs: bytes.readUIntBE(0, 6),
    imagesMax: imagesMax === unbounded ? undefined : imagesMax,
  };
}

function bytesFromKeyId(keyId: string | undefined): Buffer {
  return keyId === undefined ? noKey : Buffer.from(keyId, 'hex');
}

function keyIdFromBytes(bytes: Buffer): string | undefined {
  return bytes.equals(noKey) ? undefined : bytes.toString('hex');
}
