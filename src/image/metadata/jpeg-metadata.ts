import { hasAsciiAt, uintBeAt } from '../uint-at.ts';
import { KeptBytes } from './kept-bytes.ts';
import { orientationOf, tiffWithOrientation } from './orientation.ts';
import type { ReadImage } from './read-image.ts';

const marker = {
  startOfImage: 0xd8,
  endOfImage: 0xd9,
  startOfScan: 0xda,
  app0: 0xe0,
  exif: 0xe1,
  iccProfile: 0xe2,
  jumbf: 0xeb,
  adobe: 0xee,
  app15: 0xef,
  comment: 0xfe,
} as const;

const exifPrefix = 'Exif\0\0';
/** Marker and length. */
const headBytes = 4;

export function jpegWithoutMetadata(bytes: Uint8Array): ReadImage | undefined {
  const kept = new KeptBytes(bytes);
  let hasC2pa = false;
  let hasExif = false;
  for (let at = 0; ;) {
    if (bytes[at] !== 0xff) return undefined;
    const code = bytes[at + 1];
    if (code === undefined) return undefined;
    if (code === 0xff) {
      // A fill byte.
      at += 1;
      continue;
    }
    if (code === marker.endOfImage) {
      kept.keep(at, at + 2);
      return { bytes: hasC2pa ? bytes : kept.join(), hasC2pa };
    }
    const end = standsAlone(code) ? at + 2 : endOfSegment(bytes, at);
    if (end === undefined) return undefined;
    const segment = bytes.subarray(at, end);
    hasC2pa ||= code === marker.jumbf && isC2pa(segment);
    const place = code === marker.exif && !hasExif ? orientationSegment(segment) : undefined;
    hasExif ||= code === marker.exif && hasAsciiAt(segment, headBytes, exifPrefix);
    if (place !== undefined) kept.add(place);
    else if (isShown(code, segment)) kept.keep(at, end);
    at = code === marker.startOfScan ? endOfScan(bytes, end) : end;
    if (code === marker.startOfScan) kept.keep(end, at);
  }
}

/** TEM, RST0 … RST7 and SOI: no length follows them. */
function standsAlone(code: number): boolean {
  return code === 0x01 || (code >= 0xd0 && code <= marker.startOfImage);
}

function endOfSegment(bytes: Uint8Array, at: number): number | undefined {
  const length = uintBeAt(bytes, at + 2, 2);
  // The length counts its own two bytes.
  if (length === undefined || length < 2 || at + 2 + length > bytes.length) return undefined;
  return at + 2 + length;
}

/** Where the compressed data ends: at a marker that is neither a stuffed byte nor a restart. */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const code = bytes[at + 1];
    const isData = code === 0 || code === 0xff || (code !== undefined && isRestart(code));
    if (!isData) return at;
  }
  return bytes.length;
}

function isRestart(code: number): boolean {
  return code >= 0xd0 && code <= 0xd7;
}

/** Whether a segment changes what is shown: all but the application's own, of which only three kinds do. */
function isShown(code: number, segment: Uint8Array): boolean {
  if (code === marker.comment) return false;
  if (code < marker.app0 || code > marker.app15) return true;
  if (code === marker.app0) return hasAsciiAt(segment, headBytes, 'JFIF\0');
  if (code === marker.iccProfile) return hasAsciiAt(segment, headBytes, 'ICC_PROFILE');
  return code === marker.adobe && hasAsciiAt(segment, headBytes, 'Adobe');
}

/** A JUMBF superbox (ISO 19566-5) whose description says C2PA, or a later piece of a long one. */
function isC2pa(segment: Uint8Array): boolean {
  const content = headBytes + 8;
  if (!hasAsciiAt(segment, headBytes, 'JP') || !hasAsciiAt(segment, content + 4, 'jumb')) {
    return false;
  }
  return hasAsciiAt(segment, content + 12, 'jumd') && hasAsciiAt(segment, content + 16, 'c2pa');
}

/** In place of an EXIF segment: its orientation alone. Undefined where it has none. */
function orientationSegment(segment: Uint8Array): Uint8Array | undefined {
  if (!hasAsciiAt(segment, headBytes, exifPrefix)) return undefined;
  const orientation = orientationOf(segment.subarray(headBytes + exifPrefix.length));
  if (orientation === undefined) return undefined;
  const tiff = tiffWithOrientation(orientation);
  const length = 2 + exifPrefix.length + tiff.length;
  const short = Uint8Array.from([
    ...[0xff, marker.exif, 0, length],
    ...[0x45, 0x78, 0x69, 0x66, 0, 0],
    ...tiff,
  ]);
  return short.length <= segment.length ? short : segment;
}
