import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A new API key. Only `sha256` and `hint` may be stored; `text` is shown once. */
export interface NewApiKey {
  readonly text: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The first characters of the key, to recognise it in lists. */
  readonly hint: string;
}

// Secret scanners find a key by this prefix when it was published by mistake.
const prefix = 'igk_';
const secretBytes = 20;
// The fewest base62 digits that hold every number of 160 bits, and of 32 bits.
const secretDigits = 27;
const checksumDigits = 6;
const hintLength = 8;

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const shape = /^igk_[0-9A-Za-z]{33}$/;

/** A new key of 160 random bits in base62, with a checksum at its end. */
export function newApiKey(): NewApiKey {
  const secret = BigInt(`0x${randomBytes(secretBytes).toString('hex')}`);
  const unchecked = `${prefix}${base62(secret, secretDigits)}`;
  const text = `${unchecked}${checksumOf(unchecked)}`;
  return { text, sha256: apiKeyHash(text), hint: text.slice(0, hintLength) };
}

/**
 * Whether a text has the prefix, length and checksum of a key. A mistyped key is
 * recognised without a look-up; whether the key is valid, only the look-up says.
 */
export function isApiKeyText(text: string): boolean {
  if (!shape.test(text)) return false;
  return checksumOf(text.slice(0, -checksumDigits)) === text.slice(-checksumDigits);
}

/**
 * The SHA-256 of a key in lower-case hex, which is stored in its place.
 *
 * A fast hash on purpose. Slow, salted hashes protect passwords, which can be
 * guessed; 160 random bits cannot be guessed, and with a slow hash for every
 * request invented keys would keep the gateway busy.
 */
export function apiKeyHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export const keyIdBytes = 8;

/** The id of a key, by which tokens and links name it: the first bytes of its hash, in hex. */
export function keyIdFromHash(sha256: string): string {
  return sha256.slice(0, 2 * keyIdBytes);
}

function checksumOf(text: string): string {
  return base62(BigInt(crc32(text)), checksumDigits);
}

function base62(number: bigint, length: number): string {
  let text = '';
  for (let rest = number; rest > 0n; rest /= 62n) text = `${digits[Number(rest % 62n)]}${text}`;
  return text.padStart(length, '0');
}
