import fc from 'fast-check';
import { imageBytesFromBase64Text } from '../../../src/image/base64-image.ts';
import {
  finishedMediaTypes,
  withoutMetadata,
} from '../../../src/image/metadata/without-metadata.ts';
import { hasImageMagic, imageFactsFromBytes } from '../../../src/image/sniff.ts';
import { mutatedTexts } from '../byte-mutation.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { realImages } from '../images.ts';

interface ImageInput {
  readonly kind: 'bytes' | 'base64';
  /** In latin1. */
  readonly text: string;
}

const mediaTypes = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif']);

/** Metadata is cut out of whatever a backend sends. */
function checkMetadata(bytes: Buffer): void {
  for (const mediaType of finishedMediaTypes) {
    const read = withoutMetadata(bytes, mediaType);
    promise(
      (read?.bytes.length ?? 0) <= bytes.length,
      `more bytes of ${mediaType} than there were`,
    );
    if (read === undefined) continue;
    const again = withoutMetadata(read.bytes, mediaType)?.bytes;
    promise(again !== undefined && Buffer.compare(again, read.bytes) === 0, 'cut twice differs');
  }
}

function checkBytes(bytes: Buffer): void {
  checkMetadata(bytes);
  const facts = imageFactsFromBytes(bytes);
  if (facts === undefined) return;
  promise(mediaTypes.has(facts.mediaType), facts.mediaType);
  const { width, height } = facts;
  promise((width === undefined) === (height === undefined), 'one side without the other');
  for (const side of [width ?? 1, height ?? 1]) {
    promise(Number.isSafeInteger(side) && side >= 1, `a side of ${side} pixels`);
  }
}

/** Against Node's own decoder, which takes far more: the same bytes, and every text that holds nothing else. */
function checkBase64(text: Buffer): void {
  const found = imageBytesFromBase64Text(text);
  const decoded = Buffer.from(text.toString('latin1'), 'base64');
  if (found !== undefined) {
    promise(decoded.equals(found), 'other bytes than the text says');
    return checkBytes(Buffer.from(found));
  }
  const characters = text.toString('latin1').replace(/\s/g, '');
  const isReadable =
    /^[\w+/-]+={0,2}$/.test(characters) && !/\v|\f|\xa0/.test(text.toString('latin1'));
  const isWhole = characters.replace(/=+$/, '').length % 4 !== 1;
  promise(!isReadable || !isWhole || !hasImageMagic(decoded), 'the text of an image is refused');
}

/** Images that were right once, as bytes and as base64. */
export const imageBytes: FuzzTarget = {
  name: 'image-bytes',
  share: 0.1,
  async open() {
    const images = await realImages();
    const latin1 = images.map((image) => image.toString('latin1'));
    const base64 = images.map((image) => image.toString('base64'));
    const kind = <Kind extends ImageInput['kind']>(name: Kind) => fc.constant(name);
    return openTarget<ImageInput>({
      inputs: fc.oneof(
        fc.record({ kind: kind('bytes'), text: mutatedTexts(latin1) }),
        fc.record({
          kind: kind('base64'),
          text: mutatedTexts(base64, {
            pieces: fc.constantFrom('=', '==', '\n', '\r\n', '-', '_', '+', '/', 'A', ' ', '\xff'),
            mutationsMax: 3,
          }),
        }),
      ),
      check({ kind: given, text }) {
        const bytes = Buffer.from(text, 'latin1');
        if (given === 'bytes') checkBytes(bytes);
        else checkBase64(bytes);
      },
    });
  },
};
