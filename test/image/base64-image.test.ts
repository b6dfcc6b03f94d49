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

const wrapped = (text: string, columns: number, lineEnd: string) =>
  text.replace(new RegExp(`.{${columns}}`, 'g'), `$&${lineEnd}`);
const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_');

test.each([
  ['in lines as MIME has them', (text: string) => wrapped(text, 76, '\r\n')],
  ['in lines as Python writes them', (text: string) => `${wrapped(text, 76, '\n')}\n`],
  ['in lines as PEM has them', (text: string) => wrapped(text, 64, '\n')],
  [
    'in lines of 61 characters, which no group of four ends with',
    (text: string) => wrapped(text, 61, '\r\n'),
  ],
  ['with a line end', (text: string) => `${text}\n`],
  ['with white space behind it', (text: string) => `${text} \t\r\n\r\n   `],
  ['with white space in front', (text: string) => `\r\n  ${text}`],
  ['with white space in its padding', (text: string) => text.replace(/=/g, '\n= ')],
  ['without padding', (text: string) => text.replace(/=+$/, '')],
  ['in the alphabet for URLs', urlSafe],
  ['in the alphabet for URLs without padding', (text: string) => urlSafe(text).replace(/=+$/, '')],
  ['as a data URL', (text: string) => `data:image/png;base64,${text}`],
  [
    'as a data URL in lines',
    (text: string) => `data:image/png;charset=binary;base64,\r\n${wrapped(text, 76, '\r\n')}`,
  ],
])('decodes text %s', async (_, written) => {
  for (const format of formats) {
    const bytes = await image(format);
    // Of every remainder that the last group can have.
    for (const cut of [0, 1, 2]) {
      const part = bytes.subarray(0, bytes.length - cut);
      expect(decoded(written(part.toString('base64')))).toStrictEqual(part);
    }
  }
});

const text = likeJpeg(Buffer.from('an image')).toString('base64');

test.each([
  ['with padding it does not need', `${text}====`],
  ['with padding inside', `${text.slice(0, 4)}AA==${text.slice(4)}`],
  ['with one character too many', `${text.replace(/=+$/, '')}AAA`.slice(0, 17)],
  ['with a byte outside ASCII', `${text}\u00ff\u00ff\u00ff\u00ff`],
  ['with a form feed', `${text.slice(0, 8)}\f${text.slice(8)}`],
  ['in quotes', `"${text}"`],
  ['as a data URL in percent-encoding', `data:image/jpeg,${text}`],
  ['of no image', Buffer.from('just some text').toString('base64')],
  ['of text of an image', Buffer.from(text).toString('base64')],
  ['of nothing', ''],
  ['of nothing but padding', '===='],
  ['of nothing but white space', '\r\n'.repeat(4_000)],
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

test('decodes as Node does what it decodes, whatever stands in the text', () => {
  const character = fc.oneof(fc.nat(127), fc.constantFrom(...Buffer.from(' \r\n\t=-_+/')));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(), character, (rest, at, code) => {
      const sent = Buffer.from(likeJpeg(rest).toString('base64'));
      sent[at % sent.length] = code;
      const image = imageBytesFromBase64Text(sent);
      if (image === undefined) return;
      expect(Buffer.from(image)).toStrictEqual(Buffer.from(sent.toString('latin1'), 'base64'));
    }),
    { numRuns: 5_000 },
  );
});

test('never throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(imageBytesFromBase64Text(bytes)).toBeUndefined();
    }),
  );
});
