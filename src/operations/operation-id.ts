import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

/** What an operation id says to the gateway that made it, and to nobody else. */
export interface SealedOperation {
  /** The upstream's own id: visible ASCII, at most `upstreamIdBytesMax`. */
  readonly upstreamId: string;
  readonly seed: bigint;
  /** When the upstream accepted it, milliseconds since 1970. */
  readonly acceptedAtMs: number;
}

/**
 * Operation ids: `op_` + base64url(version, nonce, ciphertext, tag).
 *
 * An id carries all that is needed to find its operation again, so it outlives
 * the process that made it. It is sealed with AES-256-GCM: it can't be read,
 * guessed or altered, and opens only for the tenant it was made for. The nonce
 * is a MAC of the contents, so one operation has one id and a nonce is never
 * used for two.
 */
export interface OperationIds {
  seal(operation: SealedOperation, tenant: string): string;
  /** Undefined for whatever is not exactly an id sealed for this tenant. */
  open(id: string, tenant: string): SealedOperation | undefined;
}

/** Longest upstream id an operation id can carry. */
export const upstreamIdBytesMax = 128;

const prefix = 'op_';
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
/** Accepted at (6 bytes) and seed (8 bytes) stand before the upstream id. */
const fixedBytes = 14;
const idCharactersMax =
  prefix.length +
  Math.ceil(((1 + nonceBytes + fixedBytes + upstreamIdBytesMax + tagBytes) * 4) / 3);
const cipher = 'aes-256-gcm';
const gcm = { authTagLength: tagBytes };

/** `secret` is at least 32 bytes of key material; ids of one secret open under the same secret only. */
export function openOperationIds(secret: Uint8Array): OperationIds {
  const sealKey = derivedKey(secret, 'operation id seal');
  const nonceKey = derivedKey(secret, 'operation id nonce');

  return {
    seal(operation, tenant) {
      const contents = bytesFromSealed(operation);
      const mac = createHmac('sha256', nonceKey).update(tenant).update('\0').update(contents);
      const nonce = mac.digest().subarray(0, nonceBytes);
      const sealing = createCipheriv(cipher, sealKey, nonce, gcm).setAAD(aadFromTenant(tenant));
      const sealed = [sealing.update(contents), sealing.final(), sealing.getAuthTag()];
      return prefix + Buffer.concat([Buffer.of(version), nonce, ...sealed]).toString('base64url');
    },

    open(id, tenant) {
      const bytes = canonicalBytes(id);
      if (bytes === undefined || bytes[0] !== version) return undefined;
      const opening = createDecipheriv(cipher, sealKey, bytes.subarray(1, 1 + nonceBytes), gcm)
        .setAAD(aadFromTenant(tenant))
        .setAuthTag(bytes.subarray(-tagBytes));
      try {
        const start = opening.update(bytes.subarray(1 + nonceBytes, -tagBytes));
        return sealedFromBytes(Buffer.concat([start, opening.final()]));
      } catch {
        // A wrong tag: forged, altered, or sealed for somebody else.
        return undefined;
      }
    },
  };
}

function derivedKey(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `image-generation-gateway ${purpose}`, 32));
}

function aadFromTenant(tenant: string): Buffer {
  return Buffer.from(`${prefix}${version}\0${tenant}`);
}

/** Node's decoder takes aliases of one text; an id must be the one text that its bytes encode to. */
function canonicalBytes(id: string): Buffer | undefined {
  if (!id.startsWith(prefix) || id.length > idCharactersMax) return undefined;
  const text = id.slice(prefix.length);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length <= 1 + nonceBytes + fixedBytes + tagBytes) return undefined;
  return bytes.toString('base64url') === text ? bytes : undefined;
}

function bytesFromSealed(operation: SealedOperation): Buffer {
  const id = Buffer.from(operation.upstreamId, 'latin1');
  const bytes = Buffer.alloc(fixedBytes + id.length);
  bytes.writeUIntBE(operation.acceptedAtMs, 0, 6);
  bytes.writeBigInt64BE(operation.seed, 6);
  id.copy(bytes, fixedBytes);
  return bytes;
}

function sealedFromBytes(bytes: Buffer): SealedOperation {
  return {
    acceptedAtMs: bytes.readUIntBE(0, 6),
    seed: bytes.readBigInt64BE(6),
    upstreamId: bytes.toString('latin1', fixedBytes),
  };
}
