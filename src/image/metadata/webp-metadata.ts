import { uintLeAt } from '../uint-at.ts';
import { KeptBytes } from './kept-bytes.ts';
import { orientationOf, tiffOffset, tiffWithOrientation } from './orientation.ts';
import type { ReadImage } from './read-image.ts';

/** Chunks that make up what is shown (RFC 9649). */
const keptTypes: ReadonlySet<string> = new Set(['VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ICCP']);
const imageTypes: ReadonlySet<string> = new Set(['VP8 ', 'VP8L', 'ANMF']);
const riffHeadBytes = 12;
const chunkHeadBytes = 8;
/** Of a frame: its place, size and duration, before the chunks of its image. */
const frameHeadBytes = 16;
const exifFlag = 0x08;
const xmpFlag = 0x04;

interface Chunk {
  readonly type: string;
  readonly from: number;
  /** Without the padding. */
  readonly contentTo: number;
  readonly to: number;
}

export function webpWithoutMetadata(bytes: Uint8Array): ReadImage | undefined {
  const riffLength = uintLeAt(bytes, 4, 4);
  if (riffLength === undefined || riffLength + 8 > bytes.length) return undefined;
  const chunks = chunksIn(bytes, riffHeadBytes, riffLength + 8);
  if (chunks === undefined || !chunks.some(({ type }) => imageTypes.has(type))) return undefined;
  if (chunks.some(({ type }) => type === 'C2PA')) return { bytes, hasC2pa: true };

  const exif = chunks.find(({ type }) => type === 'EXIF');
  const orientation = exif && orientationChunk(bytes, exif);
  const kept = new KeptBytes(bytes);
  kept.keep(0, riffHeadBytes);
  for (const chunk of chunks) {
    if (chunk.type === 'ANMF') {
      const frame = frameWithoutMetadata(bytes, chunk);
      if (frame === undefined) return undefined;
      if (frame === 'unchanged') kept.keep(chunk.from, chunk.to);
      else kept.add(frame);
    } else if (chunk.type === 'VP8X') {
      kept.add(canvasWithFlags(bytes, chunk, orientation !== undefined));
    } else if (keptTypes.has(chunk.type)) {
      kept.keep(chunk.from, chunk.to);
    } else if (chunk === exif && orientation !== undefined) {
      kept.add(orientation);
    }
  }
  const joined = kept.join();
  if (joined.length !== bytes.length) setUint32(joined, 4, joined.length - chunkHeadBytes);
  return { bytes: joined, hasC2pa: false };
}

/** Undefined where a length leads out of the file. */
function chunksIn(bytes: Uint8Array, start: number, limit: number): readonly Chunk[] | undefined {
  const chunks: Chunk[] = [];
  for (let from = start; from < limit;) {
    const length = uintLeAt(bytes, from + 4, 4);
    if (length === undefined || from + chunkHeadBytes + length > limit) return undefined;
    const contentTo = from + chunkHeadBytes + length;
    // Some writers leave the padding of the last chunk out.
    const to = Math.min(contentTo + (length % 2), limit);
    const type = String.fromCharCode(...bytes.subarray(from, from + 4));
    chunks.push({ type, from, contentTo, to });
    from = to;
  }
  return chunks;
}

/** A frame whose chunks are looked through as those of the file are. */
function frameWithoutMetadata(
  bytes: Uint8Array,
  { from, contentTo }: Chunk,
): Uint8Array | 'unchanged' | undefined {
  const start = from + chunkHeadBytes + frameHeadBytes;
  const chunks = chunksIn(bytes, start, contentTo);
  if (chunks === undefined || start > contentTo) return undefined;
  if (chunks.every(({ type }) => keptTypes.has(type))) return 'unchanged';
  const kept = new KeptBytes(bytes);
  kept.keep(from, start);
  for (const chunk of chunks) if (keptTypes.has(chunk.type)) kept.keep(chunk.from, chunk.to);
  const frame = kept.join();
  setUint32(frame, 4, frame.length - chunkHeadBytes);
  return frame.length % 2 === 0 ? frame : Uint8Array.from([...frame, 0]);
}

/** The canvas, with the flags of what is cut set to 0. */
function canvasWithFlags(bytes: Uint8Array, { from, to }: Chunk, hasExif: boolean): Uint8Array {
  const canvas = bytes.slice(from, to);
  const flags = canvas[chunkHeadBytes];
  if (flags === undefined) return canvas;
  canvas[chunkHeadBytes] = flags & ~xmpFlag & ~(hasExif ? 0 : exifFlag);
  return canvas;
}

/** In place of an EXIF chunk: its orientation alone. Undefined where it has none. */
function orientationChunk(
  bytes: Uint8Array,
  { from, contentTo, to }: Chunk,
): Uint8Array | undefined {
  const exif = bytes.subarray(from + chunkHeadBytes, contentTo);
  const orientation = orientationOf(exif.subarray(tiffOffset(exif)));
  if (orientation === undefined) return undefined;
  const tiff = tiffWithOrientation(orientation);
  const chunk = new Uint8Array(chunkHeadBytes + tiff.length);
  chunk.set([0x45, 0x58, 0x49, 0x46]);
  setUint32(chunk, 4, tiff.length);
  chunk.set(tiff, chunkHeadBytes);
  return chunk.length <= to - from ? chunk : bytes.subarray(from, to);
}

function setUint32(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value, true);
}
