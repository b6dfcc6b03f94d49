import { hasImageMagic } from './sniff.ts';
import { hasAsciiAt } from './uint-at.ts';

/** Bytes of text decoded to find out whether an image begins there: enough for the brands of an AVIF. */
const headBytes = 1_024;
/** Bytes looked at for the comma of a data URL. */
const dataUrlBytesMax = 128;

const padding = 0x3d;
const paddingMax = 2;
/** Marks in `valueOfCharacter`, above every value of the alphabet. */
const space = 0x80;
const invalid = 0xff;

const valueOfCharacter = valuesByCharacter();

function valuesByCharacter(): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const values = new Uint8Array(256).fill(invalid);
  for (let value = 0; value < alphabet.length; value += 1) {
    values[alphabet.charCodeAt(value)] = value;
  }
  // The alphabet for URLs (RFC 4648, section 5).
  values['-'.charCodeAt(0)] = 62;
  values['_'.charCodeAt(0)] = 63;
  for (const character of ' \t\r\n') values[character.charCodeAt(0)] = space;
  return values;
}

/**
 * The image, when the bytes are base64 *text* of one; undefined for anything
 * else, above all for bytes that are an image themselves, which costs one look
 * at the first characters.
 *
 * Takes every form in which tools write base64: in lines (MIME, RFC 2045),
 * without padding, in the alphabet for URLs, as a data URL. The image was paid
 * for, and none of these leaves a doubt about its bytes. Makes at most three
 * bytes of each four given, and none when that would be more than `imageBytesMax`.
 */
export function imageBytesFromBase64Text(
  text: Uint8Array,
  limits: { readonly imageBytesMax: number } = { imageBytesMax: Number.MAX_SAFE_INTEGER },
): Uint8Array | undefined {
  const from = startOfBase64(text);
  const head = decodedPart(text.subarray(from, from + headBytes), headBytes);
  if (head === undefined || !hasImageMagic(head.bytes)) return undefined;
  return bytesFromBase64(text.subarray(from), limits.imageBytesMax);
}

/** Where the base64 begins: behind the prefix, in a data URL. */
function startOfBase64(text: Uint8Array): number {
  if (!hasAsciiAt(text, 0, 'data:image/')) return 0;
  const comma = text.subarray(0, dataUrlBytesMax).indexOf(','.charCodeAt(0));
  const marker = ';base64';
  return hasAsciiAt(text, comma - marker.length, marker) ? comma + 1 : 0;
}

function bytesFromBase64(text: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const decoded = decodedPart(text, bytesMax);
  // One character on its own is less than a byte.
  if (decoded === undefined || decoded.restCharacters === 1) return undefined;
  return isPadding(text.subarray(decoded.end)) ? decoded.bytes : undefined;
}

interface Decoded {
  readonly bytes: Uint8Array;
  /** Characters in the last, unfinished group of four. */
  readonly restCharacters: number;
  /** Where the alphabet ends: at the padding, or at the end of the text. */
  readonly end: number;
}

/** Decodes up to the first padding; undefined at a character outside the alphabet, or beyond `bytesMax`. */
function decodedPart(text: Uint8Array, bytesMax: number): Decoded | undefined {
  const bytes = new Uint8Array(Math.min(bytesMax, Math.ceil((text.length * 3) / 4)));
  let to = 0;
  let bits = 0;
  let count = 0;
  let at = 0;
  while (at < text.length) {
    // Nearly all groups are four characters in a row: reading them at once is twice as fast.
    const group = count === 0 ? groupAt(text, at) : undefined;
    if (group === undefined) {
      const character = text[at] ?? 0;
      const value = valueOf(character);
      if (value === invalid && character !== padding) return undefined;
      if (value === invalid) break;
      at += 1;
      if (value === space) continue;
      bits = (bits << 6) | value;
      count += 1;
      if (count < 4) continue;
    } else {
      bits = group;
      at += 4;
    }
    if (to + 3 > bytes.length) return undefined;
    bytes[to] = bits >>> 16;
    bytes[to + 1] = bits >>> 8;
    bytes[to + 2] = bits;
    to += 3;
    bits = 0;
    count = 0;
  }
  const restBytes = Math.max(0, count - 1);
  if (to + restBytes > bytes.length) return undefined;
  for (let rest = 0; rest < restBytes; rest += 1)
    bytes[to + rest] = bits >>> (6 * count - 8 * (rest + 1));
  return { bytes: bytes.subarray(0, to + restBytes), restCharacters: count, end: at };
}

/** 24 bits of four characters; undefined unless all of them are of the alphabet. */
function groupAt(text: Uint8Array, at: number): number | undefined {
  if (at + 4 > text.length) return undefined;
  const first = valueOf(text[at] ?? 0);
  const second = valueOf(text[at + 1] ?? 0);
  const third = valueOf(text[at + 2] ?? 0);
  const fourth = valueOf(text[at + 3] ?? 0);
  if (((first | second | third | fourth) & 0x80) !== 0) return undefined;
  return (first << 18) | (second << 12) | (third << 6) | fourth;
}

function valueOf(character: number): number {
  return valueOfCharacter[character] ?? invalid;
}

/** Whether only padding and white space is left. */
function isPadding(rest: Uint8Array): boolean {
  let count = 0;
  for (const character of rest) {
    if (character === padding) count += 1;
    else if (valueOf(character) !== space) return false;
  }
  return count <= paddingMax;
}
