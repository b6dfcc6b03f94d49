import fc from 'fast-check';
import { expect, it } from 'vitest';
import { partsFromJson, piecesOf } from '../../src/http/json-with-bytes.ts';
import type { JsonWithBytes } from '../../src/translation/json-value.ts';

function textOf(value: JsonWithBytes): string {
  return Buffer.concat([...piecesOf(partsFromJson(value))]).toString('utf8');
}

/** The same value with the base64 that the bytes are written as. */
function withBase64(value: JsonWithBytes): JsonWithBytes {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map((item) => withBase64(item as JsonWithBytes));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, withBase64(field)]),
  );
}

/** Text that looks like what the writer itself puts into JSON, in strings and in names. */
const trickyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom('"', '""', '\\', ',', ':', '{', '}', '[', ']', 'image', 'b64_json', 'AA=='),
    )
    .map((pieces) => pieces.join('')),
);

const anyValue = fc.letrec<{ value: JsonWithBytes }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    trickyText,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(trickyText, tie('value'), { maxKeys: 4 }),
  ),
})).value;

it('writes any value as JSON.stringify does, with base64 where the bytes are', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      expect(textOf(value)).toBe(JSON.stringify(withBase64(value)));
    }),
    { numRuns: 5_000 },
  );
});

it('lets no string of the upstream take the place of the image, whatever it says', () => {
  fc.assert(
    fc.property(
      trickyText,
      trickyText,
      fc.uint8Array({ maxLength: 40 }),
      (before, after, image) => {
        const read = JSON.parse(textOf({ before, [after]: after, image, after })) as object;
        expect(read).toMatchObject({ before, after, image: Buffer.from(image).toString('base64') });
      },
    ),
    { numRuns: 5_000 },
  );
});

it.each([0, 1, 2, 49_151, 49_152, 49_153, 200_000])(
  'writes an image of %i bytes in pieces of at most 64 KiB that join to one base64 text',
  (length) => {
    const image = Buffer.alloc(length, 'an image');
    const pieces = [...piecesOf(partsFromJson({ image }))];
    expect(pieces.every((piece) => piece.length <= 65_536)).toBe(true);
    const text = Buffer.concat(pieces).toString();
    expect(JSON.parse(text)).toEqual({ image: image.toString('base64') });
  },
);
