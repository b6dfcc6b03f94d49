import { hasAsciiAt, uintBeAt } from '../uint-at.ts';
import { crc32 } from './crc32.ts';
import { KeptBytes } from './kept-bytes.ts';
import { orientationOf, tiffOffset, tiffWithOrientation } from './orientation.ts';
import type { ReadImage } from './read-image.ts';

/**
 * Ancillary chunks that change what is shown: colour space, transparency,
 * background, pixel density, and the frames of an animation. All critical ones are kept.
 */
const keptTypes: ReadonlySet<string> = new Set([
  ...['cHRM', 'gAMA', 'iCCP', 'sBIT', 'sRGB', 'cICP', 'mDCV', 'cLLI', 'mDCv', 'cLLi'],
  ...['tRNS', 'bKGD', 'pHYs'],
  ...['acTL', 'fcTL', 'fdAT'],
]);

const signatureBytes = 8;
/** Length, type and checksum. */
const frameBytes = 12;

export function pngWithoutMetadata(bytes: Uint8Array): ReadImage | undefined {
  const kept = new KeptBytes(bytes);
  kept.keep(0, signatureBytes);
  if (!hasAsciiAt(bytes, signatureBytes + 4, 'IHDR')) return undefined;
  let hasC2pa = false;
  let hasOrientation = false;
  for (let at = signatureBytes; at < bytes.length;) {
    const length = uintBeAt(bytes, at, 4);
    if (length === undefined || at + frameBytes + length > bytes.length) return undefined;
    const end = at + frameBytes + length;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === 'caBX') hasC2pa = true;
    if (type === 'eXIf' && !hasOrientation) {
      const chunk = orientationChunk(bytes.subarray(at + 8, end - 4));
      hasOrientation = chunk !== undefined;
      if (chunk !== undefined) kept.add(chunk.length <= end - at ? chunk : bytes.subarray(at, end));
    }
    if (isCritical(bytes[at + 4]) || keptTypes.has(type)) kept.keep(at, end);
    if (type === 'IEND') return { bytes: hasC2pa ? bytes : kept.join(), hasC2pa };
    at = end;
  }
  // Without IEND it is cut short.
  return undefined;
}

/** Bit 5 of the first letter is 0. */
function isCritical(letter: number | undefined): boolean {
  return letter !== undefined && (letter & 0x20) === 0;
}

function orientationChunk(exif: Uint8Array): Uint8Array | undefined {
  const orientation = orientationOf(exif.subarray(tiffOffset(exif)));
  if (orientation === undefined) return undefined;
  const tiff = tiffWithOrientation(orientation);
  const chunk = new Uint8Array(frameBytes + tiff.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, tiff.length);
  chunk.set([0x65, 0x58, 0x49, 0x66], 4);
  chunk.set(tiff, 8);
  view.setUint32(8 + tiff.length, crc32(chunk.subarray(4, 8 + tiff.length)));
  return chunk;
}
