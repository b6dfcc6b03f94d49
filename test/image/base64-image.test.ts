import fc from 'fast-check';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { imageBytesFromBase64Text } from '../../src/image/base64-image.ts';

const formats = ['jpeg', 'png', 'webp', 'gif', 'avif'] as const;

function image(format: (typeof formats)[number]): Promise<Buffer> {
  const create = { width: 40, height: 30, channels: 3, background: '#fa0' } as const;
  return sharp({ create }).toFormat(format).toBuffer();
}

/** A JPEG as far as its first bytes go, of any length from 3. */
function likeJpeg(rest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), rest]);
}

function decoded(text: string): Buffer | undefined {
  const image = imageBytesFromBase64Text(Buffer.from(text, 'latin1'));
  return image === undefined ? undefined : Buffer.from(image);
}

test.each(formats)('decodes the text of a %s', async (format) => {
  const bytes = await image(format);
  expect(decoded(bytes.toString('base64'))).toStrictEqual(bytes);
});

test.each(formats)('does not decode a %s that is not text', async (format) => {
  expect(imageBytesFromBase64Text(await image(format))).toBeUndefined();
});

test.each(['\n', '\r\n', '\n\n'])('ignores the line end %j after the text', async (end) => {
  const bytes = await image('png');
  expect(decoded(`${bytes.toString('base64')}${end}`)).toStrictEqual(bytes);
});

const text = likeJpeg(Buffer.from('an image')).toString('base64');

test.each([
  ['without padding', likeJpeg(Buffer.from('abcd')).toString('base64').replace(/=+$/, '')],
  ['with padding it does not need', `${text}====`],
  ['with padding inside', `${text.slice(0, 4)}AA==${text.slice(4)}`],
  ['of half a group', text.slice(0, -1)],
  ['with bits left over after one byte', `${text}AB==`],
  ['with bits left over after two bytes', `${text}AAB=`],
  ['with a blank', `${text.slice(0, 8)} ${text.slice(8)}`],
  ['with line breaks inside', `${text.slice(0, 8)}\n${text.slice(8)}\n`],
  ['with many line ends', `${text}${'\n'.repeat(8)}`],
  ['in the alphabet for URLs', `${text}__--`],
  ['with a byte outside ASCII', `${text}\u00ff\u00ff\u00ff\u00ff`],
  ['as a data URL', `data:image/jpeg;base64,${text}`],
  ['in quotes', `"${text}"`],
  ['of no image', Buffer.from('just some text').toString('base64')],
  ['of text of an image', Buffer.from(text).toString('base64')],
  ['of nothing', ''],
  ['of nothing but padding', '===='],
])('refuses text %s', (_, refused) => {
  expect(decoded(refused)).toBeUndefined();
});

test('makes no image larger than its limit', () => {
  for (const length of [30, 31, 32]) {
    const image = likeJpeg(Buffer.alloc(length - 3));
    const sent = Buffer.from(image.toString('base64'));
    expect(imageBytesFromBase64Text(sent, { imageBytesMax: length })).toHaveLength(length);
    expect(imageBytesFromBase64Text(sent, { imageBytesMax: length - 1 })).toBeUndefined();
  }
});

test('returns exactly what was encoded, of any length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (rest) => {
      const image = likeJpeg(rest);
      expect(decoded(image.toString('base64'))).toStrictEqual(image);
    }),
  );
});

test('decodes only the one canonical text of an image', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), fc.nat(127), (rest, at, code) => {
      const sent = Buffer.from(likeJpeg(rest).toString('base64'));
      sent[at % sent.length] = code;
      const image = imageBytesFromBase64Text(sent);
      if (image === undefined) return;
      const trimmed = sent.toString('latin1').replace(/[\r\n]{0,4}$/, '');
      expect(Buffer.from(image).toString('base64')).toBe(trimmed);
    }),
    { numRuns: 2_000 },
  );
});

test('never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(imageBytesFromBase64Text(bytes)).toBeUndefined();
    }),
  );
});
