import { pixelSize, type PixelSize } from './pixel-size.ts';
import { uintBeAt } from './uint-at.ts';

/**
 * Markers and fill bytes read at most. Real files have a few dozen, and some
 * hundreds with a large colour profile and metadata. Without a bound, a file
 * made of the shortest segments would be read to its end.
 */
const stepsMax = 8_192;

const startOfScan = 0xda;
const endOfImage = 0xd9;

/** SOF0 … SOF15, without DHT, JPG and DAC, which share the range (ITU-T T.81, table B.1). */
function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/** TEM, RST0 … RST7 and SOI stand alone: no length follows them. */
function standsAlone(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
}

/**
 * Size from the first frame header of a JPEG, progressive ones too.
 *
 * Undefined when there is none before the first scan, or when its height is 0
 * (a DNL marker after the scan would then define it).
 */
export function jpegSize(bytes: Uint8Array): PixelSize | undefined {
  let at = 2;
  for (let step = 0; step < stepsMax; step += 1) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1];
    if (marker === undefined || marker === startOfScan || marker === endOfImage) return undefined;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (standsAlone(marker)) {
      at += 2;
      continue;
    }
    if (isStartOfFrame(marker)) {
      return pixelSize(uintBeAt(bytes, at + 7, 2), uintBeAt(bytes, at + 5, 2));
    }
    const segmentBytes = uintBeAt(bytes, at + 2, 2);
    // The length counts its own two bytes.
    if (segmentBytes === undefined || segmentBytes < 2) return undefined;
    at += 2 + segmentBytes;
  }
  return undefined;
}
