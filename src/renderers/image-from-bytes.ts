import { imageFactsFromBytes } from '../image/sniff.ts';
import { hasAsciiAt, uintBeAt, uintLeAt } from '../image/uint-at.ts';
import { RendererError } from './renderer.ts';

/** A whole image of a type that callers can get. */
export interface WholeImage {
  readonly bytes: Uint8Array;
  readonly mediaType: 'image/jpeg' | 'image/png' | 'image/webp';
}

/** Of an image that is taken: what decodes to more would fill the memory of who opens it. */
const sideMax = 16_384;
const pixelsMax = 8_192 * 8_192;

const isWholeByType = {
  'image/jpeg': isWholeJpeg,
  'image/png': isWholePng,
  'image/webp': isWholeWebp,
} as const;

/**
 * The image that a backend's bytes are.
 *
 * A header is not an image: a response that was cut has one too, so the end is
 * looked for.
 *
 * @throws RendererError `no_image`.
 */
export function wholeImageFromBytes(bytes: Uint8Array): WholeImage {
  const { mediaType, width = 0, height = 0 } = imageFactsFromBytes(bytes) ?? {};
  if (mediaType === undefined || !(mediaType in isWholeByType)) {
    throw noImage('the image model returned something that is no JPEG, PNG or WebP image');
  }
  const type = mediaType as WholeImage['mediaType'];
  if (!isWholeByType[type](bytes)) throw noImage('the image model returned a part of an image');
  if (width === 0 || Math.max(width, height) > sideMax || width * height > pixelsMax) {
    throw noImage('the image model returned an image of an impossible size');
  }
  return { bytes, mediaType: type };
}

/** The error for a response without a usable image; as it was made, it was paid for. */
export function noImage(message: string): RendererError {
  return new RendererError('no_image', message, { isSpent: true });
}

/** Whether its chunks follow each other to IEND (PNG specification, 5.3). */
function isWholePng(bytes: Uint8Array): boolean {
  let at = 8;
  while (at + 12 <= bytes.length) {
    const length = uintBeAt(bytes, at, 4) ?? 0;
    if (hasAsciiAt(bytes, at + 4, 'IEND')) return true;
    at += 12 + length;
  }
  return false;
}

/** Whether an end of image follows the first scan. A thumbnail in the metadata has one of its own. */
function isWholeJpeg(bytes: Uint8Array): boolean {
  let at = 2;
  while (bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = uintBeAt(bytes, at + 2, 2) ?? 0;
    at += 2 + length;
    // Within the data of a scan, 0xff is followed by 0.
    if (marker === 0xda)
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(endOfJpeg, at);
  }
  return false;
}

const endOfJpeg = Buffer.from([0xff, 0xd9]);

/** Whether there are as many bytes as its header says (RFC 9649, 2.4). */
function isWholeWebp(bytes: Uint8Array): boolean {
  return (uintLeAt(bytes, 4, 4) ?? Infinity) + 8 <= bytes.length;
}
