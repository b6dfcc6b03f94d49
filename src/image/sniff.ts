import type { ImageMediaType } from '../text/media-type.ts';
import { avifSize, isAvif } from './avif-size.ts';
import { jpegSize } from './jpeg-size.ts';
import { pixelSize, type PixelSize } from './pixel-size.ts';
import { hasAsciiAt, uintBeAt, uintLeAt } from './uint-at.ts';
import { webpSize } from './webp-size.ts';

/** Facts about an image, read from its first bytes. */
export interface ImageFacts {
  readonly mediaType: ImageMediaType;
  /** The usual ending of a file name, without a dot. */
  readonly extension: 'jpg' | 'png' | 'webp' | 'gif' | 'avif';
  /**
   * Pixels as encoded: an orientation from metadata (EXIF, `irot`) is not
   * applied. Absent together with `height` when the headers have no size: an
   * image that was paid for is delivered all the same.
   */
  readonly width?: number;
  readonly height?: number;
}

interface Format {
  readonly mediaType: ImageFacts['mediaType'];
  readonly extension: ImageFacts['extension'];
  readonly hasMagic: (bytes: Uint8Array) => boolean;
  readonly size: (bytes: Uint8Array) => PixelSize | undefined;
}

const formats: readonly Format[] = [
  {
    mediaType: 'image/jpeg',
    extension: 'jpg',
    hasMagic: (bytes) => uintBeAt(bytes, 0, 3) === 0xffd8ff,
    size: jpegSize,
  },
  {
    mediaType: 'image/png',
    extension: 'png',
    hasMagic: (bytes) =>
      uintBeAt(bytes, 0, 4) === 0x89504e47 && uintBeAt(bytes, 4, 4) === 0x0d0a1a0a,
    size: pngSize,
  },
  {
    mediaType: 'image/webp',
    extension: 'webp',
    hasMagic: (bytes) => hasAsciiAt(bytes, 0, 'RIFF') && hasAsciiAt(bytes, 8, 'WEBP'),
    size: webpSize,
  },
  {
    mediaType: 'image/gif',
    extension: 'gif',
    hasMagic: (bytes) => hasAsciiAt(bytes, 0, 'GIF87a') || hasAsciiAt(bytes, 0, 'GIF89a'),
    // The logical screen: frames of an animation may be smaller.
    size: (bytes) => pixelSize(uintLeAt(bytes, 6, 2), uintLeAt(bytes, 8, 2)),
  },
  { mediaType: 'image/avif', extension: 'avif', hasMagic: isAvif, size: avifSize },
];

const pngSideMax = 2 ** 31 - 1;

/** From IHDR, which is always the first chunk (PNG specification, 11.2.1). */
function pngSize(bytes: Uint8Array): PixelSize | undefined {
  if (!hasAsciiAt(bytes, 12, 'IHDR')) return undefined;
  const size = pixelSize(uintBeAt(bytes, 16, 4), uintBeAt(bytes, 20, 4));
  if (size === undefined || Math.max(size.width, size.height) > pngSideMax) return undefined;
  return size;
}

function formatOf(bytes: Uint8Array): Format | undefined {
  return formats.find((format) => format.hasMagic(bytes));
}

/** Whether the bytes begin as a JPEG, PNG, WebP, GIF or AVIF image does. */
export function hasImageMagic(bytes: Uint8Array): boolean {
  return formatOf(bytes) !== undefined;
}

/**
 * Media type by magic number and size from the headers; the image itself is
 * not decoded. Undefined for any other bytes. Never throws, and reads a bounded
 * number of headers whatever the bytes.
 */
export function imageFactsFromBytes(bytes: Uint8Array): ImageFacts | undefined {
  const format = formatOf(bytes);
  if (format === undefined) return undefined;
  const { mediaType, extension } = format;
  return { mediaType, extension, ...format.size(bytes) };
}
