import { hasAsciiAt, uintBeAt, uintLeAt } from '../uint-at.ts';

const exifPrefix = 'Exif\0\0';
const tagOfOrientation = 0x0112;
const typeShort = 3;
const entryBytes = 12;

/** Where the TIFF header of an EXIF block stands: most writers put a prefix before it, also where none belongs. */
export function tiffOffset(exif: Uint8Array): number {
  return hasAsciiAt(exif, 0, exifPrefix) ? exifPrefix.length : 0;
}

/**
 * The orientation (2 … 8) that a TIFF header and its first directory ask for.
 * Undefined when there is none, or when it is 1: as stored.
 */
export function orientationOf(tiff: Uint8Array): number | undefined {
  const isLittle = hasAsciiAt(tiff, 0, 'II');
  if (!isLittle && !hasAsciiAt(tiff, 0, 'MM')) return undefined;
  const uintAt = isLittle ? uintLeAt : uintBeAt;
  const directory = uintAt(tiff, 4, 4);
  if (uintAt(tiff, 2, 2) !== 42 || directory === undefined) return undefined;
  const entries = uintAt(tiff, directory, 2) ?? 0;
  for (let index = 0; index < entries; index += 1) {
    const at = directory + 2 + index * entryBytes;
    if (at >= tiff.length) return undefined;
    if (uintAt(tiff, at, 2) !== tagOfOrientation || uintAt(tiff, at + 2, 2) !== typeShort) continue;
    const orientation = uintAt(tiff, at + 8, 2) ?? 1;
    return orientation >= 2 && orientation <= 8 ? orientation : undefined;
  }
  return undefined;
}

/** A TIFF header with a directory that holds an orientation and nothing else. */
export function tiffWithOrientation(orientation: number): Uint8Array {
  return Uint8Array.from([
    ...[0x4d, 0x4d, 0, 0x2a, 0, 0, 0, 8],
    ...[0, 1],
    ...[0x01, 0x12, 0, typeShort, 0, 0, 0, 1, 0, orientation, 0, 0],
    ...[0, 0, 0, 0],
  ]);
}
