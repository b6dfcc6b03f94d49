import { fileURLToPath } from 'node:url';
import {
  finishedMediaTypeOf,
  finishedMediaTypes,
  withoutMetadata,
  type FinishedMediaType,
} from '../../image/metadata/without-metadata.ts';
import { imageFactsFromBytes } from '../../image/sniff.ts';
import { RunError, runOnBytes } from './byte-process.ts';
import type { ConversionHead, Loss } from './convert.ts';

/** An image as the caller gets it. */
export interface FinishedImage {
  readonly bytes: Uint8Array;
  readonly mediaType: FinishedMediaType;
  /** What a conversion could not carry over; empty where there was none. */
  readonly lost: readonly Loss[];
}

export interface FinishOptions {
  /** An image with more is not decoded. */
  readonly pixelsMax?: number;
  /** Of the finished image. */
  readonly bytesMax?: number;
  readonly timeoutMs?: number;
  /** Gives the conversion up. */
  readonly signal?: AbortSignal;
}

/**
 * Why an image can't be finished. `unusable`: it is no whole JPEG, PNG or WebP
 * within the bounds, and will never be. `process`: the process that converts
 * ended or took too long; it may go well the next time.
 */
export class FinishError extends Error {
  override readonly name = 'FinishError';
  readonly failure: 'unusable' | 'process';

  constructor(failure: FinishError['failure'], message: string) {
    super(message);
    this.failure = failure;
  }
}

/** Twice what the largest of today's models make (8192 × 4096). */
const pixelsMaxDefault = 67_108_864;
const bytesMaxDefault = 67_108_864;
const timeoutMsDefault = 60_000;
/** Of the line before the bytes. */
const headBytesMax = 1_024;

/**
 * Finishes an image: of the type that the caller wants, and without metadata,
 * in which backends write prompts and more.
 *
 * Where the type is the wanted one, nothing is decoded: metadata is cut out of
 * the file, and a file that is signed (C2PA) is kept whole. Else a process of
 * its own converts it. It also takes in hand what can't be read here, because
 * decoders are more lenient.
 *
 * @throws FinishError
 */
export async function finishImage(
  bytes: Uint8Array,
  mediaTypeWanted: string,
  options: FinishOptions = {},
): Promise<FinishedImage> {
  const mediaType = finishedMediaTypes.find((known) => known === mediaTypeWanted);
  const found = finishedMediaTypeOf(bytes);
  if (mediaType === undefined) {
    throw new FinishError('unusable', `images of ${mediaTypeWanted} are not made`);
  }
  if (found === undefined) throw new FinishError('unusable', 'the image is no JPEG, PNG or WebP');
  const read = withoutMetadata(bytes, found);
  if (read !== undefined && found === mediaType) return { bytes: read.bytes, mediaType, lost: [] };
  const { pixelsMax = pixelsMaxDefault } = options;
  const { width = 0, height = 0 } = imageFactsFromBytes(bytes) ?? {};
  if (width * height > pixelsMax) {
    throw new FinishError('unusable', `the image has more than ${pixelsMax} pixels`);
  }
  const converted = await inTurn(() => convert(bytes, mediaType, { ...options, pixelsMax }));
  const lost = read?.hasC2pa === true ? (['c2pa', ...converted.lost] as const) : converted.lost;
  return { bytes: converted.bytes, mediaType, lost };
}

async function convert(
  bytes: Uint8Array,
  mediaType: FinishedMediaType,
  options: FinishOptions & { readonly pixelsMax: number },
): Promise<{ readonly bytes: Uint8Array; readonly lost: readonly Loss[] }> {
  const { timeoutMs = timeoutMsDefault, bytesMax = bytesMaxDefault, signal } = options;
  const output = await runOnBytes([...program, mediaType, String(options.pixelsMax)], bytes, {
    timeoutMs,
    outputBytesMax: bytesMax + headBytesMax,
    signal,
  }).catch((error: unknown) => {
    if (!(error instanceof RunError)) throw error;
    throw new FinishError('process', `the image was not converted: ${error.message}`);
  });
  const headEnd = output.indexOf('\n');
  if (headEnd < 0) throw new FinishError('process', 'the image was not converted: no output');
  const head = JSON.parse(output.toString('utf8', 0, headEnd)) as ConversionHead;
  if ('failure' in head) {
    throw new FinishError('unusable', `the image can not be decoded: ${head.failure}`);
  }
  const converted = output.subarray(headEnd + 1);
  if (converted.length > bytesMax) {
    throw new FinishError('process', `the converted image has more than ${bytesMax} bytes`);
  }
  return { bytes: converted, lost: head.lost };
}

const isSource = import.meta.url.endsWith('.ts');
const entry = new URL(`./conversion-worker.${isSource ? 'ts' : 'js'}`, import.meta.url);
const program = [
  ...(isSource ? ['--import', import.meta.resolve('tsx')] : []),
  fileURLToPath(entry),
];

const atOnceMax = 2;
let running = 0;
const waiting: (() => void)[] = [];

/** Conversions take a core and the memory of a decoded image: a few at a time. */
async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
  if (running >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
