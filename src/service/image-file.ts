import { createHash } from 'node:crypto';
import type { RenderedImage } from '../renderers/renderer.ts';
import type { ImageName } from './image-store.ts';
import type { ImageFacts, StoredImage } from './operation-record.ts';

/** Begins every file, and changes with its layout. */
const magic = Buffer.from('IGW2');
/** Of files without facts, which are still read: a digest of the image, then the image. */
const firstMagic = Buffer.from('IGW1');
const digestBytes = 32;
const lengthBytes = 4;
const digestEnd = magic.length + digestBytes;

/** The parts of a file, in their order, and what its record says of it. */
export interface ImageFile {
  readonly parts: readonly Uint8Array[];
  readonly size: number;
  readonly stored: StoredImage;
}

/** An image as it is read from a file. */
export interface ReadImage {
  readonly bytes: Buffer;
  readonly stored: StoredImage;
}

/**
 * The file of an image: four bytes of magic, a SHA-256 of all that follows, the
 * length of the facts, the facts as JSON, the image.
 */
export function imageFile(name: ImageName, image: RenderedImage): ImageFile {
  const { bytes, mediaType, modelVersion, seed, requestId } = image;
  const facts: ImageFacts = {
    ...{ mediaType, modelVersion },
    ...(seed !== undefined && { seed }),
    ...(requestId !== undefined && { requestId }),
  };
  const text = Buffer.from(JSON.stringify({ ...facts, byteLength: bytes.byteLength }));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(text.byteLength);
  const digest = createHash('sha256').update(length).update(text).update(bytes).digest();
  return {
    parts: [magic, digest, length, text, bytes],
    size: digestEnd + lengthBytes + text.byteLength + bytes.byteLength,
    stored: {
      ...{ ...name, byteLength: bytes.byteLength, sha256: digest.toString('base64url'), facts },
    },
  };
}

/** The image in a file; undefined when the file is not whole. */
export function imageFromFile(name: ImageName, file: Buffer): ReadImage | undefined {
  const body = file.subarray(digestEnd);
  const digest = createHash('sha256').update(body).digest();
  if (!digest.equals(file.subarray(magic.length, digestEnd))) return undefined;
  const sha256 = digest.toString('base64url');
  const begin = file.subarray(0, magic.length);
  if (begin.equals(firstMagic)) {
    return { bytes: body, stored: { ...name, byteLength: body.byteLength, sha256 } };
  }
  if (!begin.equals(magic)) return undefined;
  const textEnd = lengthBytes + body.readUInt32BE(0);
  const { byteLength, ...facts } = JSON.parse(
    body.subarray(lengthBytes, textEnd).toString(),
  ) as ImageFacts & { readonly byteLength: number };
  const bytes = body.subarray(textEnd);
  return bytes.byteLength === byteLength
    ? { bytes, stored: { ...name, byteLength, sha256, facts } }
    : undefined;
}
