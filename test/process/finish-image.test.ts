import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { runOnBytes } from '../../src/renderers/finish/byte-process.ts';
import { FinishError, finishImage } from '../../src/renderers/finish/finish-image.ts';
import {
  c2paBox,
  jpegSegment,
  jpegWith,
  pngChunk,
  pngWith,
  webpChunk,
  webpWith,
} from '../image/metadata/image-parts.ts';

const types = ['image/jpeg', 'image/png', 'image/webp'] as const;
const secret = Buffer.from('parameters\0a red cat');

function drawing(options: { readonly alpha?: number; readonly width?: number } = {}): Sharp {
  const { alpha = 1, width = 64 } = options;
  const background = { r: 200, g: 60, b: 20, alpha };
  return sharp({ create: { width, height: 48, channels: 4, background } });
}

function encoded(mediaType: string, image = drawing()): Promise<Buffer> {
  if (mediaType === 'image/jpeg') return image.jpeg().toBuffer();
  return mediaType === 'image/png' ? image.png().toBuffer() : image.webp().toBuffer();
}

async function failureOf(finished: Promise<unknown>): Promise<string> {
  const error = await finished.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FinishError))
    throw new Error('it did not fail as expected', { cause: error });
  return `${error.failure}: ${error.message}`;
}

/** A PNG that says it is large, of one byte of data. */
async function pngOfSize(width: number, height: number): Promise<Buffer> {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    pngChunk('IHDR', head),
    pngChunk('IDAT', deflateSync(Buffer.alloc(1_000_000))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('an image of the wanted type', () => {
  test('loses its texts and nothing else, and is not encoded again', async () => {
    const plain = await encoded('image/png');
    const bytes = pngWith(plain, pngChunk('tEXt', secret));
    const finished = await finishImage(bytes, 'image/png');
    expect(finished).toStrictEqual({
      bytes: new Uint8Array(plain),
      mediaType: 'image/png',
      lost: [],
    });
  });

  test('is kept whole with C2PA', async () => {
    const bytes = pngWith(
      await encoded('image/png'),
      pngChunk('caBX', c2paBox()),
      pngChunk('tEXt', secret),
    );
    expect((await finishImage(bytes, 'image/png')).bytes).toBe(bytes);
  });

  test('is encoded again when a decoder reads it although it is not well built', async () => {
    const plain = await encoded('image/jpeg');
    // Bytes between two segments, the first of which is JFIF: decoders skip them.
    const bytes = Buffer.concat([plain.subarray(0, 20), secret, plain.subarray(20)]);
    const finished = await finishImage(bytes, 'image/jpeg');
    const { width, height } = await sharp(finished.bytes).metadata();
    expect({ width, height }).toStrictEqual({ width: 64, height: 48 });
    expect(Buffer.from(finished.bytes).includes(secret)).toBe(false);
  });
});

describe('an image of another type', () => {
  test.each(types.flatMap((from) => types.map((to) => [from, to] as const)))(
    '%s becomes %s',
    async (from, to) => {
      const { bytes, mediaType, lost } = await finishImage(await encoded(from), to);
      const { format, width, height } = await sharp(bytes).metadata();
      expect({ mediaType, lost, width, height }).toStrictEqual({
        mediaType: to,
        lost: [],
        width: 64,
        height: 48,
      });
      expect(`image/${format}`).toBe(to);
      const [red, , blue] = await sharp(bytes).removeAlpha().raw().toBuffer();
      expect(Math.abs((red ?? 0) - 200) + Math.abs((blue ?? 0) - 20)).toBeLessThan(12);
    },
  );

  test('is upright', async () => {
    const turned = await encoded('image/jpeg', drawing().withMetadata({ orientation: 6 }));
    const { bytes } = await finishImage(turned, 'image/png');
    const { width, height, orientation } = await sharp(bytes).metadata();
    expect({ width, height, orientation }).toStrictEqual({
      width: 48,
      height: 64,
      orientation: undefined,
    });
  });

  test.each([
    [
      'signed provenance',
      ['c2pa'],
      'image/webp',
      async () => pngWith(await encoded('image/png'), pngChunk('caBX', c2paBox())),
    ],
    [
      'signed provenance of a JPEG',
      ['c2pa'],
      'image/png',
      async () => {
        const box = Buffer.concat([Buffer.from('JP\0\x01\0\0\0\x01', 'latin1'), c2paBox()]);
        return jpegWith(await encoded('image/jpeg'), jpegSegment(0xeb, box));
      },
    ],
    [
      'signed provenance of a WebP',
      ['c2pa'],
      'image/jpeg',
      async () => webpWith(await encoded('image/webp'), webpChunk('C2PA', c2paBox())),
    ],
    [
      'transparency',
      ['transparency'],
      'image/jpeg',
      () => encoded('image/png', drawing({ alpha: 0.5 })),
    ],
    [
      'transparency of a palette',
      ['transparency'],
      'image/jpeg',
      () => drawing({ alpha: 0.5 }).png({ palette: true }).toBuffer(),
    ],
    [
      '16 bits',
      ['bit_depth'],
      'image/webp',
      () => drawing().toColourspace('rgb16').png().toBuffer(),
    ],
    [
      'a wide gamut',
      ['color_profile'],
      'image/png',
      () => encoded('image/jpeg', drawing().withIccProfile('p3')),
    ],
    [
      'colours of print',
      ['color_profile'],
      'image/png',
      () => drawing().removeAlpha().toColourspace('cmyk').jpeg().toBuffer(),
    ],
    [
      'later frames',
      ['animation'],
      'image/png',
      () => {
        const create = { width: 64, height: 144, pageHeight: 48, channels: 4, background: '#fa0' };
        return sharp({ create: { ...create, channels: 4, noise: { type: 'gaussian', mean: 99 } } })
          .webp({ loop: 0 })
          .toBuffer();
      },
    ],
  ] as const)('says that it lost %s', async (_, losses, mediaType, make) => {
    const { bytes, lost } = await finishImage(await make(), mediaType);
    expect(lost).toStrictEqual(losses);
    const { width, height } = await sharp(bytes).metadata();
    expect({ width, height }).toStrictEqual({ width: 64, height: 48 });
  });

  test('with an sRGB profile loses nothing', async () => {
    const bytes = await encoded('image/jpeg', drawing().withIccProfile('srgb'));
    expect((await finishImage(bytes, 'image/webp')).lost).toStrictEqual([]);
  });

  test('that is transparent stands on white', async () => {
    const clear = await encoded('image/png', drawing({ alpha: 0 }));
    const { bytes } = await finishImage(clear, 'image/jpeg');
    expect([...(await sharp(bytes).raw().toBuffer()).subarray(0, 3)]).toStrictEqual([
      255, 255, 255,
    ]);
  });
});

describe('what is no usable image', () => {
  test('is refused: GIF, SVG, TIFF, HTML, an unknown type', async () => {
    const others = [
      await drawing().gif().toBuffer(),
      await drawing().tiff().toBuffer(),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      Buffer.from('<html>'),
      Buffer.alloc(0),
    ];
    for (const bytes of others) {
      expect(await failureOf(finishImage(bytes, 'image/png'))).toMatch(/^unusable: .*no JPEG/);
    }
    const refused = finishImage(await encoded('image/png'), 'image/gif');
    expect(await failureOf(refused)).toBe('unusable: images of image/gif are not made');
  });

  test.each(types)('is refused: %s that is cut short', async (from) => {
    const whole = await drawing({ width: 640 })
      .toFormat(from.slice(6) as 'png')
      .toBuffer();
    const torn = whole.subarray(0, whole.length * 0.6);
    for (const to of types) {
      expect(await failureOf(finishImage(torn, to))).toMatch(
        /^unusable: the image can not be decoded/,
      );
    }
  });

  test('is refused before it is decoded when it has too many pixels', async () => {
    const bomb = await pngOfSize(50_000, 50_000);
    expect(await failureOf(finishImage(bomb, 'image/jpeg'))).toMatch(/^unusable: .*pixels$/);
    const small = await encoded('image/png');
    const refused = finishImage(small, 'image/webp', { pixelsMax: 1_000 });
    expect(await failureOf(refused)).toBe('unusable: the image has more than 1000 pixels');
  });

  test('is refused when its data do not fill it', async () => {
    const hollow = await pngOfSize(8_000, 8_000);
    expect(await failureOf(finishImage(hollow, 'image/jpeg'))).toMatch(/^unusable: /);
  });
});

describe('the process that converts', () => {
  test('opens nothing but JPEG, PNG and WebP, whatever it is given', async () => {
    const worker = new URL('../../src/renderers/finish/conversion-worker.ts', import.meta.url);
    const program = ['--import', import.meta.resolve('tsx'), fileURLToPath(worker)];
    const others = [
      await drawing().gif().toBuffer(),
      await drawing().tiff().toBuffer(),
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
    ];
    for (const bytes of others) {
      const limits = { timeoutMs: 60_000, outputBytesMax: 100_000 };
      const output = await runOnBytes([...program, 'image/png', '1000000'], bytes, limits);
      expect(JSON.parse(output.toString())).toHaveProperty('failure');
    }
  });

  test('fails the image, and not this process, when it is ended', async () => {
    const image = await encoded('image/png');
    const late = finishImage(image, 'image/jpeg', { timeoutMs: 1 });
    expect(await failureOf(late)).toBe(
      'process: the image was not converted: the process took too long',
    );
    const larger = finishImage(image, 'image/jpeg', { bytesMax: 100 });
    expect(await failureOf(larger)).toBe('process: the converted image has more than 100 bytes');
    const large = finishImage(image, 'image/jpeg', { bytesMax: -1_000 });
    expect(await failureOf(large)).toBe(
      'process: the image was not converted: the process wrote too much',
    );
    expect((await finishImage(image, 'image/jpeg')).mediaType).toBe('image/jpeg');
  });

  test('takes many at once in turn', async () => {
    const image = await encoded('image/png');
    const finished = Array.from({ length: 5 }, () => finishImage(image, 'image/webp'));
    for (const { mediaType } of await Promise.all(finished)) expect(mediaType).toBe('image/webp');
  });
});
