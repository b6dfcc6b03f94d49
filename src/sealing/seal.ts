import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto';

/** The secrets of a gateway, at least 32 bytes each. The current one seals; both open. */
export interface SealSecrets {
  readonly current: Uint8Array;
  /** The former secret, while a new one replaces it. */
  readonly previous?: Uint8Array | undefined;
}

/**
 * A seal: it turns bytes into others that cannot be read, guessed or altered
 * outside. The result is key id, nonce, ciphertext and tag of AES-256-GCM.
 *
 * The nonce is a MAC of contents and context. So the same contents give the
 * same bytes, and no nonce is used for two different contents.
 */
export interface Seal {
  /** @param context Must be the same to open; it is not part of the result. */
  seal(contents: Uint8Array, context: string): Buffer;
  /** Undefined for bytes that were not sealed in this context under one of the secrets. */
  open(sealed: Uint8Array, context: string): Buffer | undefined;
}

/** Number of bytes that a seal adds to the contents. */
export const sealOverheadBytes = 29;

const keyIdBytes = 1;
const nonceBytes = 12;
const tagBytes = 16;
const cipher = 'aes-256-gcm';
const gcm = { authTagLength: tagBytes };

interface SealKeys {
  readonly secret: Uint8Array;
  readonly id: number;
  readonly sealKey: Buffer;
  readonly nonceKey: Buffer;
}

/**
 * @param secrets Read at each use, because their files may change.
 * @param purpose Bytes that were sealed for one purpose do not open for another.
 */
export function openSeal(secrets: SealSecrets, purpose: string): Seal {
  const keysOf = (secret: Uint8Array) => keysFromSecret(secret, purpose);
  let live = liveKeys(secrets, keysOf);
  const keys = () => {
    const isSame = live.current.secret === secrets.current;
    if (!isSame || live.previous?.secret !== secrets.previous) live = liveKeys(secrets, keysOf);
    return live;
  };
  return {
    seal: (contents, context) => sealed(keys().current, contents, context),
    open(bytes, context) {
      const { current, previous } = keys();
      // Both secrets may have the same one-byte id; the tag decides.
      const contents = current.id === bytes[0] ? opened(current, bytes, context) : undefined;
      if (contents !== undefined || previous?.id !== bytes[0]) return contents;
      return previous === undefined ? undefined : opened(previous, bytes, context);
    },
  };
}

function liveKeys({ current, previous }: SealSecrets, keysOf: (secret: Uint8Array) => SealKeys) {
  return {
    current: keysOf(current),
    previous: previous === undefined ? undefined : keysOf(previous),
  };
}

function keysFromSecret(secret: Uint8Array, purpose: string): SealKeys {
  const derive = (use: string, bytes: number) =>
    Buffer.from(
      hkdfSync('sha256', secret, '', `image-generation-gateway ${purpose} ${use}`, bytes),
    );
  return {
    secret,
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
 * The bytes of a base64url text; undefined unless encoding them gives the same
 * text. Node's own decoder accepts several texts for the same bytes.
 */
export function canonicalBytes(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
