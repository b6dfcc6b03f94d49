import { createHash } from 'node:crypto';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  finishedMediaTypeOf,
  withoutMetadata,
} from '../../../src/image/metadata/without-metadata.ts';
import {
  c2paBox,
  jpegSegment,
  jpegWith,
  pngChunk,
  pngTypes,
  pngWith,
  webpChunk,
  webpTypes,
  webpWith,
} from './image-parts.ts';

const secret = 'SECRET prompt of the caller';
const width = 37;
const height = 23;

/** Pixels that differ from each other, with half transparent ones. */
function drawing(): Sharp {
  const pixels = Buffer.from(
    Array.from({ length: width * height * 4 }, (_, index) => (index * 2_654_435_761) >>> 24),
  );
  return sharp(pixels, { raw: { width, height, channels: 4 } });
}

function animation(): Sharp {
  const create = { width, height: height * 3, pageHeight: height, channels: 4, background: '#fa0' };
  return sharp({ create: { ...create, channels: 4, noise: { type: 'gaussian', mean: 99 } } });
}

/** Three frames, of which the second and third are pieces of the first's data. */
function apng(png: Buffer): Buffer {
  const frameControl = (sequence: number) => {
    const data = Buffer.alloc(26);
    for (const [value, at] of [
      [sequence, 0],
      [width, 4],
      [height, 8],
    ] as const) {
      data.writeUInt32BE(value, at);
    }
    data.writeUInt16BE(1, 20);
    data.writeUInt16BE(10, 22);
    return pngChunk('fcTL', data);
  };
  const animationControl = Buffer.alloc(8);
  animationControl.writeUInt32BE(2);
  const idat = png.indexOf('IDAT') - 4;
  const data = png.subarray(idat + 8, idat + 8 + png.readUInt32BE(idat));
  const later = Buffer.concat([Buffer.from([0, 0, 0, 2]), data]);
  const end = png.subarray(-12);
  return Buffer.concat([
    png.subarray(0, idat),
    pngChunk('acTL', animationControl),
    frameControl(0),
    png.subarray(idat, idat + 12 + data.length),
    frameControl(1),
    pngChunk('fdAT', later),
    end,
  ]);
}

/** With a text and an orientation in its EXIF. */
function turned(image: Sharp): Sharp {
  return image.withMetadata({ orientation: 6 }).withExifMerge({ IFD0: { Copyright: secret } });
}

const makers: Readonly<Record<string, () => Promise<Buffer>>> = {
  'baseline jpeg': () => drawing().removeAlpha().jpeg().toBuffer(),
  'progressive jpeg': () => drawing().removeAlpha().jpeg({ progressive: true }).toBuffer(),
  'grey jpeg': () => drawing().removeAlpha().greyscale().jpeg().toBuffer(),
  'cmyk jpeg': () => drawing().removeAlpha().toColourspace('cmyk').jpeg().toBuffer(),
  'jpeg with EXIF and profile': () =>
    turned(drawing().removeAlpha().withIccProfile('p3')).jpeg().toBuffer(),
  png: () => drawing().png().toBuffer(),
  'png with EXIF and profile': () => turned(drawing().withIccProfile('p3')).png().toBuffer(),
  'png of 16 bits': () => drawing().toColourspace('rgb16').png().toBuffer(),
  'interlaced palette png with tRNS': () =>
    drawing().png({ palette: true, progressive: true }).toBuffer(),
  apng: async () => apng(await drawing().png().toBuffer()),
  'lossy webp': () => drawing().removeAlpha().webp().toBuffer(),
  'lossless webp': () => drawing().webp({ lossless: true }).toBuffer(),
  'webp with alpha, EXIF and profile': () =>
    turned(drawing().withIccProfile('p3')).webp().toBuffer(),
  'animated webp': () => animation().webp({ loop: 0 }).toBuffer(),
};

const images: Record<string, Buffer> = {};

beforeAll(async () => {
  for (const [name, make] of Object.entries(makers)) images[name] = await make();
});

function image(name: string): Buffer {
  const bytes = images[name];
  if (bytes === undefined) throw new Error(`there is no ${name}`);
  return bytes;
}

const plainJpeg = () => image('baseline jpeg');
const plainPng = () => image('png');
const plainWebp = () => image('lossy webp');

function cut(bytes: Uint8Array) {
  const mediaType = finishedMediaTypeOf(bytes);
  return mediaType && withoutMetadata(bytes, mediaType);
}

function cutBytes(bytes: Uint8Array): Buffer {
  const read = cut(bytes);
  if (read === undefined) throw new Error('the image was not read');
  return Buffer.from(read.bytes);
}

/** What a viewer shows: all frames; undefined where it shows nothing. */
async function shown(bytes: Uint8Array, isUpright = true): Promise<string | undefined> {
  try {
    const image = sharp(bytes, { animated: true, limitInputPixels: 1e6 });
    const { data, info } = await (isUpright ? image.autoOrient() : image)
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true });
    const digest = createHash('sha256').update(data).digest('base64url');
    return `${info.width}x${info.height} ${digest}`;
  } catch {
    return undefined;
  }
}

describe('every kind of image', () => {
  test.each(Object.keys(makers))('%s shows the same without its metadata', async (name) => {
    const bytes = image(name);
    const result = cutBytes(bytes);
    expect(await shown(result)).toBe(await shown(bytes));
    expect(result.includes(secret)).toBe(false);
    expect(result.length).toBeLessThanOrEqual(bytes.length);
  });

  test('an image without metadata is the same bytes, not a copy', () => {
    expect(cut(plainPng())?.bytes).toBe(plainPng());
    expect(cut(plainWebp())?.bytes).toBe(plainWebp());
  });
});

describe('png', () => {
  const texts = ['tEXt', 'zTXt', 'iTXt', 'tIME', 'dSIG', 'prVt', 'hIST', 'sPLT'];

  test('texts and private chunks are cut, and what stands behind the end', async () => {
    const chunks = texts.map((type) => pngChunk(type, Buffer.from(`parameters\0${secret}`)));
    const bytes = Buffer.concat([pngWith(plainPng(), ...chunks), Buffer.from(secret)]);
    expect(cutBytes(bytes)).toStrictEqual(plainPng());
  });

  test('chunks that change what is shown are kept', () => {
    const types = ['gAMA', 'cHRM', 'sRGB', 'pHYs', 'bKGD', 'sBIT', 'cICP'];
    const bytes = pngWith(plainPng(), ...types.map((type) => pngChunk(type, Buffer.alloc(4))));
    expect(pngTypes(cutBytes(bytes))).toStrictEqual(pngTypes(bytes));
    expect(pngTypes(cutBytes(image('apng')))).toContain('fdAT');
    expect(pngTypes(cutBytes(image('interlaced palette png with tRNS')))).toContain('tRNS');
  });

  test('of EXIF only the orientation is kept', () => {
    const result = cutBytes(image('png with EXIF and profile'));
    expect(pngTypes(result)).toContain('eXIf');
    expect(result.readUInt32BE(result.indexOf('eXIf') - 4)).toBe(26);
  });

  test('with C2PA it is kept whole', () => {
    const text = pngChunk('tEXt', Buffer.from(`parameters\0${secret}`));
    const bytes = pngWith(plainPng(), text, pngChunk('caBX', c2paBox()));
    expect(cut(bytes)).toStrictEqual({ bytes, hasC2pa: true });
  });
});

describe('jpeg', () => {
  test('EXIF, XMP, Photoshop blocks, comments and the like are cut', async () => {
    const segments = [
      jpegSegment(0xe1, `Exif\0\0${secret}`),
      jpegSegment(0xe1, `http://ns.adobe.com/xap/1.0/\0${secret}`),
      jpegSegment(0xe2, `MPF\0${secret}`),
      jpegSegment(0xe0, `JFXX\0${secret}`),
      jpegSegment(0xeb, `HDR_RI${secret}`),
      jpegSegment(0xed, `Photoshop 3.0\0${secret}`),
      jpegSegment(0xee, secret),
      jpegSegment(0xfe, secret),
      Buffer.from([0xff, 0xff]),
    ];
    const bytes = Buffer.concat([jpegWith(plainJpeg(), ...segments), Buffer.from(secret)]);
    expect(cutBytes(bytes)).toStrictEqual(plainJpeg());
  });

  test('a comment between two scans is cut', async () => {
    const plain = image('progressive jpeg');
    const secondScan = plain.indexOf('ffda', plain.indexOf('ffda', 0, 'hex') + 2, 'hex');
    const bytes = Buffer.concat([
      plain.subarray(0, secondScan),
      jpegSegment(0xfe, secret),
      plain.subarray(secondScan),
    ]);
    expect(cutBytes(bytes)).toStrictEqual(plain);
  });

  test('of EXIF only the orientation is kept', () => {
    const result = cutBytes(image('jpeg with EXIF and profile'));
    const at = result.indexOf('Exif\0\0');
    expect(result.readUInt16BE(at - 2)).toBe(34);
    expect(result.includes('ICC_PROFILE\0')).toBe(true);
  });

  test('an orientation as stored leaves no EXIF', async () => {
    const upright = drawing().removeAlpha().withMetadata({ orientation: 1 });
    const bytes = await upright.jpeg().toBuffer();
    expect(bytes.includes('Exif')).toBe(true);
    expect(cutBytes(bytes).includes('Exif')).toBe(false);
  });

  test('with C2PA it is kept whole', () => {
    const head = Buffer.from('JP\0\x01\0\0\0\x01', 'latin1');
    const jumbf = jpegSegment(0xeb, Buffer.concat([head, c2paBox()]));
    const bytes = jpegWith(plainJpeg(), jumbf, jpegSegment(0xfe, secret));
    expect(cut(bytes)).toStrictEqual({ bytes, hasC2pa: true });
  });
});

describe('webp', () => {
  test('EXIF, XMP and unknown chunks are cut, with their flags and what stands behind the end', async () => {
    const withAlpha = await drawing().webp().toBuffer();
    const chunks = ['EXIF', 'XMP ', 'PRMT'].map((type) => webpChunk(type, Buffer.from(secret)));
    const bytes = Buffer.concat([webpWith(withAlpha, ...chunks), Buffer.from(secret)]);
    bytes.writeUInt8(bytes.readUInt8(20) | 0x0c, 20);
    expect(cutBytes(bytes)).toStrictEqual(withAlpha);
  });

  test('a frame of an animation keeps its image alone', async () => {
    const plain = image('animated webp');
    const frame = plain.indexOf('ANMF');
    const length = plain.readUInt32LE(frame + 4);
    const longer = Buffer.concat([
      plain.subarray(0, frame),
      webpChunk(
        'ANMF',
        Buffer.concat([
          plain.subarray(frame + 8, frame + 8 + length),
          webpChunk('NOTE', Buffer.from(secret)),
        ]),
      ),
      plain.subarray(frame + 8 + length + (length % 2)),
    ]);
    longer.writeUInt32LE(longer.length - 8, 4);
    expect(cutBytes(longer)).toStrictEqual(plain);
  });

  test('of EXIF only the orientation is kept', async () => {
    const result = cutBytes(image('webp with alpha, EXIF and profile'));
    expect(webpTypes(result)).toStrictEqual(expect.arrayContaining(['EXIF', 'ICCP']));
    expect(result.readUInt32LE(result.indexOf('EXIF') + 4)).toBe(26);
  });

  test('with C2PA it is kept whole', () => {
    const bytes = webpWith(
      plainWebp(),
      webpChunk('C2PA', c2paBox()),
      webpChunk('XMP ', Buffer.from(secret)),
    );
    expect(cut(bytes)).toStrictEqual({ bytes, hasC2pa: true });
  });
});

describe('what is not built as its format says', () => {
  test.each(Object.keys(makers))('%s that is cut short is not read', (name) => {
    const bytes = image(name);
    for (const share of [0.1, 0.5, 0.9]) {
      expect(cut(bytes.subarray(0, bytes.length * share))).toBeUndefined();
    }
    expect(cut(bytes.subarray(0, -3))).toBeUndefined();
  });

  test('lengths that lead out of the file or nowhere are not followed', () => {
    const head = Buffer.from('89504e470d0a1a0a', 'hex');
    const chunk = Buffer.from('ffffffff49484452', 'hex');
    expect(cut(Buffer.concat([head, chunk]))).toBeUndefined();
    expect(cut(Buffer.from('ffd8ffe00000', 'hex'))).toBeUndefined();
    expect(cut(Buffer.from('ffd8ffe0ffff', 'hex'))).toBeUndefined();
    const riff = Buffer.from('RIFF\xff\xff\xff\xffWEBPVP8 ', 'latin1');
    expect(cut(riff)).toBeUndefined();
  });

  test('whatever is changed in a file: no throw, no growth, and what is shown stays', async () => {
    const names = fc.constantFrom(...Object.keys(makers));
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    const changes = fc.array(change, { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(names, changes, fc.nat(9), async (name, changed, trailing) => {
        const bytes = Buffer.concat([image(name), Buffer.alloc(trailing, 0xff)]);
        for (const { at, byte } of changed) bytes[at % bytes.length] = byte;
        const read = cut(bytes);
        if (read === undefined) return;
        expect(read.bytes.length).toBeLessThanOrEqual(bytes.length);
        expect(cut(read.bytes)?.bytes).toStrictEqual(read.bytes);
        // A file that is not shown may be shown once a broken text is gone.
        // Readers differ on a broken EXIF, so the pixels are compared as they are stored.
        const before = await shown(bytes, false);
        if (before !== undefined) expect(await shown(read.bytes, false)).toBe(before);
      }),
      { numRuns: 400 },
    );
  });

  test('a file of the smallest parts takes time in proportion to its length', () => {
    const millisecondsOf = (bytes: Buffer) => {
      const start = performance.now();
      cut(bytes);
      return performance.now() - start;
    };
    for (const [whole, part] of [
      [plainPng(), pngChunk('tEXt', Buffer.alloc(0))],
      [plainJpeg(), jpegSegment(0xfe, '')],
    ] as const) {
      const filler = Buffer.concat(Array.from({ length: 200_000 }, () => part));
      const bytes = whole === plainPng() ? pngWith(whole, filler) : jpegWith(whole, filler);
      // Quadratic, it would take minutes.
      expect(millisecondsOf(bytes)).toBeLessThan(10_000);
    }
  });
});
