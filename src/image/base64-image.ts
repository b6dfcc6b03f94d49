import { hasImageMagic } from './sniff.ts';

/** Characters decoded to find out whether an image begins there: enough for the brands of an AVIF. */
const headCharacters = 256;
/** Line ends that a tool may have written after the text. */
const lineEndBytesMax = 4;

const padding = 0x3d;
/** Marks a character outside the alphabet in `valueOfCharacter`: no value of the alphabet has the high bit. */
const invalid = 0xff;

const valueOfCharacter = valuesByCharacter();

function valuesByCharacter(): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const values = new Uint8Array(256).fill(invalid);
  for (let value = 0; value < alphabet.length; value += 1) {
    values[alphabet.charCodeAt(value)] = value;
  }
  return values;
}

/**
 * The image, when the bytes are base64 *text* of one; undefined for anything
 * else, above all for bytes that are an image themselves, which costs one look
 * at the first characters.
 *
 * Strict (RFC 4648, section 4): padded, canonical, nothing but the alphabet,
 * save for line ends after it. Makes three bytes of each four given, and none
 * when that would be more than `imageBytesMax`.
 */
export function imageBytesFromBase64Text(
  text: Uint8Array,
  limits: { readonly imageBytesMax: number } = { imageBytesMax: Number.MAX_SAFE_INTEGER },
): Uint8Array | undefined {
  const end = endWithoutLineEnds(text);
  const head = bytesFromBase64(text, Math.min(headCharacters, end));
  if (head === undefined || !hasImageMagic(head)) return undefined;
  const imageBytes = (end / 4) * 3 - paddingBefore(text, end);
  return imageBytes > limits.imageBytesMax ? undefined : bytesFromBase64(text, end);
}

function endWithoutLineEnds(text: Uint8Array): number {
  let end = text.length;
  const least = Math.max(0, end - lineEndBytesMax);
  while (end > least && (text[end - 1] === 0x0a || text[end - 1] === 0x0d)) end -= 1;
  return end;
}

function paddingBefore(text: Uint8Array, end: number): 0 | 1 | 2 {
  if (text[end - 1] !== padding) return 0;
  return text[end - 2] === padding ? 2 : 1;
}

/** Decodes the first `end` characters; undefined if they are not canonical base64. */
function bytesFromBase64(text: Uint8Array, end: number): Uint8Array | undefined {
  if (end % 4 !== 0) return undefined;
  const pads = paddingBefore(text, end);
  const image = new Uint8Array((end / 4) * 3 - pads);
  const wholeEnd = pads === 0 ? end : end - 4;
  let to = 0;
  for (let at = 0; at < wholeEnd; at += 4) {
    const group = groupAt(text, at, 4);
    if (group === undefined) return undefined;
    image[to] = group >>> 16;
    image[to + 1] = group >>> 8;
    image[to + 2] = group;
    to += 3;
  }
  if (pads === 0) return image;
  const group = groupAt(text, wholeEnd, 4 - pads);
  // Bits beyond the last whole byte must be zero, else two texts would mean one image.
  if (group === undefined || (group & (2 ** (8 * pads) - 1)) !== 0) return undefined;
  image[to] = group >>> 16;
  if (pads === 1) image[to + 1] = group >>> 8;
  return image;
}

/** 24 bits from the first `count` characters of a group, the rest zero; undefined outside the alphabet. */
function groupAt(text: Uint8Array, at: number, count: number): number | undefined {
  const first = valueOf(text[at]);
  const second = valueOf(text[at + 1]);
  const third = count > 2 ? valueOf(text[at + 2]) : 0;
  const fourth = count > 3 ? valueOf(text[at + 3]) : 0;
  if (((first | second | third | fourth) & 0x80) !== 0) return undefined;
  return (first << 18) | (second << 12) | (third << 6) | fourth;
}

function valueOf(character: number | undefined): number {
  return valueOfCharacter[character ?? 0] ?? invalid;
}
