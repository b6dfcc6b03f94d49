import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

/** Key material of at least 32 bytes; what either sealed opens, the current one seals. */
export interface SealSecrets {
  readonly current: Uint8Array;
  /** Still opens while a new secret takes over. */
  readonly previous?: Uint8Array | undefined;
}

/**
 * Seals bytes so that they can't be read, guessed or altered outside: key id,
 * nonce, ciphertext and tag of AES-256-GCM.
 *
 * The nonce is a MAC of contents and context, so the same contents give the
 * same bytes, and no nonce is ever used for two different contents.
 */
export interface Seal {
  /** @param context Must be the same to open; it is not part of the result. */
  seal(contents: Uint8Array, context: string): Buffer;
  /** Undefined for whatever was not sealed so, by a live secret, in this context. */
  open(sealed: Uint8Array, context: string): Buffer | undefined;
}

/** Bytes that a seal adds to the contents. */
export const sealOverheadBytes = 29;

const keyIdBytes = 1;
const nonceBytes = 12;
const tagBytes = 16;
const cipher = 'aes-256-gcm';
const gcm = { authTagLength: tagBytes };

interface SealKeys {
  readonly id: number;
  readonly sealKey: Buffer;
  readonly nonceKey: Buffer;
}

/** @param purpose Keeps what is sealed for one use from being opened for another. */
export function openSeal(secrets: SealSecrets, purpose: string): Seal {
  const current = keysFromSecret(secrets.current, purpose);
  const live = [current];
  if (secrets.previous !== undefined) live.push(keysFromSecret(secrets.previous, purpose));
  return {
    seal: (contents, context) => sealed(current, contents, context),
    open(bytes, context) {
      // One byte may name both secrets; the tag decides.
      for (const keys of live) {
        const contents = keys.id === bytes[0] ? opened(keys, bytes, context) : undefined;
        if (contents !== undefined) return contents;
      }
      return undefined;
    },
  };
}

function keysFromSecret(secret: Uint8Array, purpose: string): SealKeys {
  const derive = (use: string, bytes: number) =>
    Buffer.from(
      hkdfSync('sha256', secret, '', `image-generation-gateway ${purpose} ${use}`, bytes),
    );
  return {
    id: derive('key id', keyIdBytes)[0] ?? 0,
    sealKey: derive('seal', 32),
    nonceKey: derive('nonce', 32),
  };
}

function sealed(keys: SealKeys, contents: Uint8Array, context: string): Buffer {
  const mac = createHmac('sha256', keys.nonceKey).update(context).update('\0').update(contents);
  const nonce = mac.digest().subarray(0, nonceBytes);
  const sealing = createCipheriv(cipher, keys.sealKey, nonce, gcm).setAAD(Buffer.from(context));
  return Buffer.concat([
    Buffer.of(keys.id),
    nonce,
    sealing.update(contents),
    sealing.final(),
    sealing.getAuthTag(),
  ]);
}

function opened(keys: SealKeys, bytes: Uint8Array, context: string): Buffer | undefined {
  if (bytes.length < sealOverheadBytes) return undefined;
  const nonceEnd = keyIdBytes + nonceBytes;
  const opening = createDecipheriv(cipher, keys.sealKey, bytes.subarray(keyIdBytes, nonceEnd), gcm)
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(-tagBytes));
  try {
    const start = opening.update(bytes.subarray(nonceEnd, -tagBytes));
    return Buffer.concat([start, opening.final()]);
  } catch {
    // A wrong tag: forged, altered, or sealed in another context.
    return undefined;
  }
}

/**
 * The bytes of a base64url text; undefined unless it is the one text that they
 * encode to. Node's own decoder takes aliases and skips what it does not know.
 */
export function canonicalBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
