import { imageFactsFromBytes } from '../sniff.ts';
import { jpegWithoutMetadata } from './jpeg-metadata.ts';
import { pngWithoutMetadata } from './png-metadata.ts';
import type { ReadImage } from './read-image.ts';
import { webpWithoutMetadata } from './webp-metadata.ts';

/** Types whose metadata can be cut. */
export const finishedMediaTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;
export type FinishedMediaType = (typeof finishedMediaTypes)[number];

const cutters: Readonly<Record<FinishedMediaType, (bytes: Uint8Array) => ReadImage | undefined>> = {
  'image/jpeg': jpegWithoutMetadata,
  'image/png': pngWithoutMetadata,
  'image/webp': webpWithoutMetadata,
};

/** JPEG, PNG or WebP by the first bytes; undefined for any other. */
export function finishedMediaTypeOf(bytes: Uint8Array): FinishedMediaType | undefined {
  const mediaType = imageFactsFromBytes(bytes)?.mediaType;
  return finishedMediaTypes.find((known) => known === mediaType);
}

/**
 * Cuts what is not needed to show the image: texts, comments, EXIF, XMP, and
 * what stands after its end. Nothing is decoded, so the pixels stay what they
 * are. An EXIF orientation stays, alone, because it changes how the image is shown.
 *
 * Undefined when the file is not whole, or not built as its format says. Never
 * throws, takes time in proportion to the bytes, and never returns more of them.
 */
export function withoutMetadata(
  bytes: Uint8Array,
  mediaType: FinishedMediaType,
): ReadImage | undefined {
  return cutters[mediaType](bytes);
}
