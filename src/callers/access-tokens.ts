import { canonicalBytes, openSeal, type SealSecrets } from '../sealing/seal.ts';
import { scopes, type Scope } from '../schemas/tokens.ts';

/** What a token says of whoever holds it. */
export interface AccessToken {
  /** Unique, to count what was made with it. */
  readonly id: string;
  /** Whose limits and operations it is good for. */
  readonly subject: string;
  readonly scopes: readonly Scope[];
  readonly expiresAtMs: number;
  readonly imagesMax: number | undefined;
}

/** What a read token says: it opens one operation, for reading. */
export interface ReadToken {
  readonly tenant: string;
  readonly expiresAtMs: number;
}

/**
 * Tokens that need no store: all they say is sealed inside them.
 *
 * An access token, `igt_…`, goes into a browser. A read token goes into the link
 * of one operation; it is bound to that id and says nothing outside it.
 */
export interface AccessTokens {
  seal(token: AccessToken): string;
  /** Undefined for whatever is no token of ours, or has expired. */
  open(text: string, nowMs: number): AccessToken | undefined;
  sealRead(operationId: string, token: ReadToken): string;
  /** Undefined for whatever is no read token of this operation, or has expired. */
  openRead(text: string, operationId: string, nowMs: number): ReadToken | undefined;
}

const prefix = 'igt_';
export const tokenIdBytes = 8;
/** Expiry (6 bytes), scopes (1), images (4) and id (8) stand before the subject. */
const fixedBytes = 11 + tokenIdBytes;
const unbounded = 0xff_ff_ff_ff;
const textCharactersMax = 1_024;

export function openAccessTokens(secrets: SealSecrets): AccessTokens {
  const access = openSeal(secrets, 'access token');
  const read = openSeal(secrets, 'read token');
  return {
    seal: (token) => prefix + access.seal(bytesFromToken(token), prefix).toString('base64url'),
    open(text, nowMs) {
      if (!isAccessTokenText(text) || text.length > textCharactersMax) return undefined;
      const bytes = canonicalBytes(text.slice(prefix.length));
      const contents = bytes === undefined ? undefined : access.open(bytes, prefix);
      const token = contents === undefined ? undefined : tokenFromBytes(contents);
      return token === undefined || token.expiresAtMs <= nowMs ? undefined : token;
    },
    sealRead(operationId, { tenant, expiresAtMs }) {
      const expiry = Buffer.alloc(6);
      expiry.writeUIntBE(expiresAtMs, 0, 6);
      return read
        .seal(Buffer.concat([expiry, Buffer.from(tenant)]), operationId)
        .toString('base64url');
    },
    openRead(text, operationId, nowMs) {
      const bytes = text.length > textCharactersMax ? undefined : canonicalBytes(text);
      const contents = bytes === undefined ? undefined : read.open(bytes, operationId);
      if (contents === undefined) return undefined;
      const expiresAtMs = contents.readUIntBE(0, 6);
      return expiresAtMs <= nowMs
        ? undefined
        : { tenant: contents.toString('utf8', 6), expiresAtMs };
    },
  };
}

/** Whether a credential is meant to be an access token, good or not. */
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
  subject.copy(bytes, fixedBytes);
  return bytes;
}

function tokenFromBytes(bytes: Buffer): AccessToken {
  const bits = bytes.readUInt8(6);
  const imagesMax = bytes.readUInt32BE(7);
  return {
    id: bytes.toString('base64url', 11, fixedBytes),
    subject: bytes.toString('utf8', fixedBytes),
    scopes: scopes.filter((_scope, index) => (bits & (1 << index)) !== 0),
    expiresAtMs: bytes.readUIntBE(0, 6),
    imagesMax: imagesMax === unbounded ? undefined : imagesMax,
  };
}
