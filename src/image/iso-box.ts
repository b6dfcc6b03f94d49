import { uintBeAt } from './uint-at.ts';

/** A box of the ISO base media file format (ISO/IEC 14496-12), with the place of its payload. */
export interface IsoBox {
  /** Four characters, as one number. */
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/** Boxes looked at on one level; a still image has about ten. */
const boxesMax = 256;

/** `ispe` → the number its four characters make. */
export function boxType(fourCharacters: string): number {
  let type = 0;
  for (let index = 0; index < 4; index += 1) type = type * 256 + fourCharacters.charCodeAt(index);
  return type;
}

/**
 * The boxes between two offsets. Ends at the first one that can't be read; a
 * box cut short by the end of the bytes is still yielded, with the part that is there.
 */
export function* isoBoxes(bytes: Uint8Array, from: number, to: number): Generator<IsoBox> {
  let at = from;
  for (let count = 0; count < boxesMax && at + 8 <= to; count += 1) {
    const size = uintBeAt(bytes, at, 4);
    const type = uintBeAt(bytes, at + 4, 4);
    if (size === undefined || type === undefined) return;
    // 1: the size follows in 64 bits, of which no file here needs more than 48. 0: to the end.
    const isLong = size === 1;
    const headerBytes = isLong ? 16 : 8;
    const longSize = isLong ? (uintBeAt(bytes, at + 10, 6) ?? 0) : size;
    const boxBytes = size === 0 ? to - at : longSize;
    if (boxBytes < headerBytes) return;
    const end = Math.min(at + boxBytes, to);
    yield { type, start: Math.min(at + headerBytes, end), end };
    at += boxBytes;
  }
}

/** The first box of a type between two offsets. */
export function isoBox(
  bytes: Uint8Array,
  within: { readonly start: number; readonly end: number },
  type: number,
): IsoBox | undefined {
  for (const box of isoBoxes(bytes, within.start, within.end)) {
    if (box.type === type) return box;
  }
  return undefined;
}
