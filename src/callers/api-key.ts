import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A key that was just made. Only `sha256` and `hint` may be kept; `text` is shown once. */
export interface NewApiKey {
  readonly text: string;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The first characters of the key, to recognise it in lists. */
  readonly hint: string;
}

// The prefix lets secret scanners find a key that was published by mistake.
const prefix = 'igk_';
const secretBytes = 20;
// The fewest base62 digits that hold every number of 160 bits, and of 32 bits.
const secretDigits = 27;
const checksumDigits = 6;
const hintLength = 8;

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const shape = /^igk_[0-9A-Za-z]{33}$/;

/** A key of 160 random bits in base62, with a checksum at its end. */
export function newApiKey(): NewApiKey {
  const secret = BigInt(`0x${randomBytes(secretBytes).toString('hex')}`);
  const unchecked = `${prefix}${base62(secret, secretDigits)}`;
  const text = `${unchecked}${checksumOf(unchecked)}`;
  return { text, sha256: apiKeyHash(text), hint: text.slice(0, hintLength) };
}

/**
 * Whether this can be a key at all: prefix, length and checksum. Says nothing of
 * whether it opens anything; a typo is told from a revoked key without a look-up.
 */
export function isApiKeyText(text: string): boolean {
  if (!shape.test(text)) return false;
  return checksumOf(text.slice(0, -checksumDigits)) === text.slice(-checksumDigits);
}

/**
 * SHA-256 in lower-case hex: what is kept of a key.
 *
 * Fast on purpose. A slow, salted hash makes up for passwords that can be
 * guessed; 160 random bits can not, and a slow hash for every request would
 * let anybody keep the gateway busy with invented keys.
 */
export function apiKeyHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function checksumOf(text: string): string {
  return base62(BigInt(crc32(text)), checksumDigits);
}

function base62(number: bigint, length: number): string {
  let text = '';
  for (let rest = number; rest > 0n; rest /= 62n) text = `${digits[Number(rest % 62n)]}${text}`;
  return text.padStart(length, '0');
}
