import { pixelSize, type PixelSize } from './pixel-size.ts';
import { hasAsciiAt, uintLeAt } from './uint-at.ts';

const fourteenBits = 0x3fff;

/**
 * Size from the first chunk of a WebP (RFC 9649): the canvas of an extended
 * file, or the frame of a simple lossy or lossless one.
 */
export function webpSize(bytes: Uint8Array): PixelSize | undefined {
  if (hasAsciiAt(bytes, 12, 'VP8X')) return canvasSize(bytes);
  if (hasAsciiAt(bytes, 12, 'VP8L')) return losslessSize(bytes);
  if (hasAsciiAt(bytes, 12, 'VP8 ')) return lossySize(bytes);
  return undefined;
}

function canvasSize(bytes: Uint8Array): PixelSize | undefined {
  const width = uintLeAt(bytes, 24, 3);
  const height = uintLeAt(bytes, 27, 3);
  if (width === undefined || height === undefined) return undefined;
  return pixelSize(width + 1, height + 1);
}

function losslessSize(bytes: Uint8Array): PixelSize | undefined {
  const bits = uintLeAt(bytes, 21, 4);
  if (bytes[20] !== 0x2f || bits === undefined) return undefined;
  return pixelSize((bits & fourteenBits) + 1, ((bits >>> 14) & fourteenBits) + 1);
}

function lossySize(bytes: Uint8Array): PixelSize | undefined {
  const isKeyFrame = bytes[23] === 0x9d && bytes[24] === 0x01 && bytes[25] === 0x2a;
  const width = uintLeAt(bytes, 26, 2);
  const height = uintLeAt(bytes, 28, 2);
  if (!isKeyFrame || width === undefined || height === undefined) return undefined;
  // The two high bits ask for upscaling and are no part of the size.
  return pixelSize(width & fourteenBits, height & fourteenBits);
}
