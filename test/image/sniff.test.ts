import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { expect, test } from 'vitest';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';

const width = 83;
const height = 47;

function drawing(): Sharp {
  const background = { r: 200, g: 60, b: 20, alpha: 0.5 };
  return sharp({ create: { width, height, channels: 4, background } });
}

function animation(): Sharp {
  const create = { width, height: height * 3, pageHeight: height, channels: 4, background: '#fa0' };
  return sharp({ create: { ...create, channels: 4, noise: { type: 'gaussian', mean: 99 } } });
}

/** A large colour profile, comment and metadata before the frame header, as cameras write them. */
async function jpegWithMuchBefore(): Promise<Buffer> {
  const plain = await drawing().jpeg({ progressive: true }).toBuffer();
  const segments = [0xe1, 0xe2, 0xe2, 0xe2, 0xfe, 0xed].map((marker) => {
    const segment = Buffer.alloc(2 + 65_535, 0xff);
    segment.writeUInt16BE(0xff00 + marker, 0);
    segment.writeUInt16BE(65_535, 2);
    return segment;
  });
  const fill = Buffer.from([0xff, 0xff, 0xff]);
  return Buffer.concat([plain.subarray(0, 2), ...segments, fill, plain.subarray(2)]);
}

const images: Readonly<Record<string, () => Promise<Buffer>>> = {
  'baseline jpeg': () => drawing().jpeg().toBuffer(),
  'progressive jpeg': () => drawing().jpeg({ progressive: true }).toBuffer(),
  'jpeg with EXIF and a colour profile': () =>
    drawing()
      .withExif({ IFD0: { Copyright: 'x'.repeat(9_000) } })
      .withIccProfile('p3')
      .jpeg()
      .toBuffer(),
  'jpeg with 400 KB before its frame': jpegWithMuchBefore,
  png: () => drawing().png().toBuffer(),
  'interlaced palette png': () => drawing().png({ palette: true, progressive: true }).toBuffer(),
  'lossy webp': () => drawing().removeAlpha().webp().toBuffer(),
  'lossless webp': () => drawing().removeAlpha().webp({ lossless: true }).toBuffer(),
  'webp with alpha': () => drawing().webp().toBuffer(),
  gif: () => drawing().gif().toBuffer(),
  'animated gif': () => animation().gif({ loop: 0 }).toBuffer(),
  'animated webp': () => animation().webp({ loop: 0 }).toBuffer(),
  avif: () => drawing().removeAlpha().avif().toBuffer(),
  'avif with alpha': () => drawing().avif().toBuffer(),
};

function extensionOf(name: string): string {
  const extension = /jpeg|png|webp|gif|avif/.exec(name)?.[0] ?? '';
  return extension === 'jpeg' ? 'jpg' : extension;
}

function mediaTypeOf(name: string): string {
  return `image/${/jpeg|png|webp|gif|avif/.exec(name)?.[0]}`;
}

async function imageNamed(name: string): Promise<Buffer> {
  const draw = images[name];
  if (draw === undefined) throw new Error(`no image is named ${name}`);
  return draw();
}

test.each(Object.keys(images))('reads type and size of a %s', async (name) => {
  expect(imageFactsFromBytes(await imageNamed(name))).toStrictEqual({
    mediaType: mediaTypeOf(name),
    extension: extensionOf(name),
    width,
    height,
  });
});

test('covers each kind of WebP', async () => {
  const chunks = await Promise.all(
    ['lossy webp', 'lossless webp', 'webp with alpha'].map(async (name) =>
      (await imageNamed(name)).toString('latin1', 12, 16),
    ),
  );
  expect(chunks).toStrictEqual(['VP8 ', 'VP8L', 'VP8X']);
});

test.each([
  ['jpeg', 1344, 768],
  ['webp', 1, 1],
  ['webp', 16_383, 1],
  ['png', 1, 20_000],
  ['gif', 300, 65_535],
  ['avif', 1025, 999],
] as const)('reads a %s of %d by %d pixels', async (format, wide, high) => {
  const create = { width: wide, height: high, channels: 3, background: '#123456' } as const;
  const bytes = await sharp({ create }).toFormat(format).toBuffer();
  expect(imageFactsFromBytes(bytes)).toMatchObject({ width: wide, height: high });
});

test('reads the encoded size, whatever orientation the metadata has', async () => {
  const bytes = await drawing().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  expect((await sharp(bytes).metadata()).orientation).toBe(6);
  expect(imageFactsFromBytes(bytes)).toMatchObject({ width, height });
});

test.each(Object.keys(images))(
  'reads a %s cut at any byte as what it is, or as less',
  async (name) => {
    const bytes = await imageNamed(name);
    const whole = imageFactsFromBytes(bytes);
    const { width: _width, height: _height, ...withoutSize } = whole ?? {};
    const seen = new Set<string>();
    for (let length = 0; length < Math.min(bytes.length, 2_000); length += 1) {
      const facts = imageFactsFromBytes(bytes.subarray(0, length));
      const kind = facts === undefined ? 'nothing' : facts.width === undefined ? 'type' : 'size';
      seen.add(kind);
      if (kind === 'type') expect(facts).toStrictEqual(withoutSize);
      if (kind === 'size') expect(facts).toStrictEqual(whole);
    }
    expect(seen).toContain('nothing');
    expect(seen).toContain('type');
  },
);

test.each([
  ['nothing', []],
  ['text', [...Buffer.from('{"code":13,"message":"internal"}')]],
  ['base64 text of an image', [...Buffer.from('/9j/4AAQSkZJRg==')]],
  ['a BMP', [...Buffer.from('BM\u0000\u0000\u0000\u0000')]],
  ['a TIFF', [0x49, 0x49, 0x2a, 0]],
  ['an SVG', [...Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')]],
  ['a WAV, which is RIFF too', [...Buffer.from('RIFF\u0000\u0000\u0000\u0000WAVEfmt ')]],
  ['a HEIC', [0, 0, 0, 24, ...Buffer.from('ftypheic\u0000\u0000\u0000\u0000mif1heic')]],
  ['an MP4', [0, 0, 0, 24, ...Buffer.from('ftypisom\u0000\u0000\u0000\u0000iso2avc1')]],
])('does not take %s for an image', (_, bytes) => {
  expect(imageFactsFromBytes(Uint8Array.from(bytes))).toBeUndefined();
});

test('knows an AVIF by any of its brands, but not by the version between them', () => {
  const file = (brands: string) => Buffer.concat([Buffer.from([0, 0, 0, 28]), Buffer.from(brands)]);
  expect(imageFactsFromBytes(file('ftypmif1\0\0\0\0miafavifMA1B'))).toStrictEqual({
    mediaType: 'image/avif',
    extension: 'avif',
  });
  expect(imageFactsFromBytes(file('ftypmif1avifmiafheicMA1B'))).toBeUndefined();
});

test.each([
  ['jpeg of height 0', 'ffd8 ffc0 000b 08 0000 0100 01 011100'],
  ['jpeg that ends before its frame', 'ffd8 ffd9'],
  ['jpeg whose segment has no length', 'ffd8 ffe0 0001 ffc0 000b 08 0010 0010 01 011100'],
  ['png without IHDR', '89504e470d0a1a0a 0000000d 49444154 00000010 00000010'],
  ['png of width 0', '89504e470d0a1a0a 0000000d 49484452 00000000 00000010'],
  ['png wider than the format has', '89504e470d0a1a0a 0000000d 49484452 80000000 00000010'],
  ['gif of width 0', '474946383961 0000 0100 000000'],
  ['webp of an unknown chunk', '52494646 00000000 57454250 58585858 0a000000 00000000000000000000'],
])('reads the type and no size of a %s', (name, hex) => {
  const facts = imageFactsFromBytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  expect(facts).toStrictEqual({ mediaType: mediaTypeOf(name), extension: extensionOf(name) });
});

test('does not take a Huffman table, which shares the range of its marker, for a frame', () => {
  const hex = 'ffd8 ffc4 0009 08 7777 7777 0101 ffc2 000b 08 0020 0030 01 011100';
  expect(imageFactsFromBytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toMatchObject({
    width: 48,
    height: 32,
  });
});

test('leaves the scaling bits of a lossy WebP out of its size', () => {
  const hex = '52494646 00000000 57454250 56503820 0a000000 000000 9d012a 3040 2080';
  expect(imageFactsFromBytes(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toMatchObject({
    width: 48,
    height: 32,
  });
});

function box(type: string, ...content: (string | Buffer)[]): Buffer {
  const parts = content.map((part) => (typeof part === 'string' ? Buffer.from(part, 'hex') : part));
  const payload = Buffer.concat([Buffer.from(type, 'latin1'), ...parts]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(payload.length + 4);
  return Buffer.concat([size, payload]);
}

const avifFileType = box('ftyp', Buffer.from('avif\0\0\0\0mif1'));

test.each([
  ['narrow', '00000000', '0001', '0002', ['01', '02'], ['03', '84']],
  ['wide', '01000001', '00000001', '00000002', ['0001', '0002'], ['8003', '8004']],
])('reads the size of the primary item, not of a tile (%s)', (_, head, first, second, a, b) => {
  const extents = (hex: string) => box('ispe', '00000000', hex);
  const container = box(
    'ipco',
    ...[extents('0000004000000040'), box('av1C', '81000c00')],
    ...[extents('0000010000000200'), box('pixi', '00000000')],
  );
  const association = box('ipma', head, '00000002', first, '02', ...a, second, '02', ...b);
  const primary = head.startsWith('01')
    ? box('pitm', '01000000', second)
    : box('pitm', '00000000', second);
  const meta = box('meta', '00000000', primary, box('iprp', container, association));
  expect(imageFactsFromBytes(Buffer.concat([avifFileType, meta]))).toStrictEqual({
    mediaType: 'image/avif',
    extension: 'avif',
    width: 256,
    height: 512,
  });
});

const magics = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  [...Buffer.from('RIFF\u0000\u0000\u0000\u0000WEBPVP8X')],
  [...Buffer.from('GIF89a')],
  [0, 0, 0, 16, ...Buffer.from('ftypavif\u0000\u0000\u0000\u0000')],
];

test('never throws or invents a size, whatever follows the magic number', () => {
  const facts = fc.tuple(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 400 }));
  fc.assert(
    fc.property(facts, ([magic, rest]) => {
      const found = imageFactsFromBytes(Uint8Array.from([...magic, ...rest]));
      expect(found).toBeDefined();
      expect(found?.width === undefined).toBe(found?.height === undefined);
      if (found?.width !== undefined) expect(found.width * (found.height ?? 0)).toBeGreaterThan(0);
    }),
    { numRuns: 2_000 },
  );
});

test('never throws on an image with some bytes changed', async () => {
  const bases = await Promise.all(['webp with alpha', 'avif with alpha', 'gif'].map(imageNamed));
  const change = fc.tuple(fc.nat(600), fc.nat(255));
  fc.assert(
    fc.property(fc.constantFrom(...bases), fc.array(change, { maxLength: 8 }), (base, changes) => {
      const bytes = Uint8Array.from(base);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      const facts = imageFactsFromBytes(bytes);
      expect(facts?.width === undefined).toBe(facts?.height === undefined);
    }),
    { numRuns: 2_000 },
  );
});

/** An image that is nothing but `unit` after its first bytes. */
function endless(start: string, unit: string): Buffer {
  const bytes = Buffer.alloc(16 * 1_048_576, Buffer.from(unit, 'hex'));
  Buffer.from(start, 'hex').copy(bytes);
  return bytes;
}

const avifStart = '00000010 66747970 61766966 00000000'.replaceAll(' ', '');

function manyAssociations(): Buffer {
  const association = box('ipma', '0000000000ffffff', Buffer.alloc(16 * 1_048_576));
  const properties = box('iprp', box('ipco'), association);
  const meta = box('meta', '00000000', box('pitm', '000000000001'), properties);
  return Buffer.concat([avifFileType, meta]);
}

test.each([
  ['fill bytes', endless('ffd8ff', 'ff')],
  ['the shortest segments', endless('ffd8', 'ffe00002')],
  ['lone markers', endless('ffd8', 'ff01')],
  ['the shortest boxes', endless(avifStart, '0000000866726565')],
  ['boxes of 64-bit size', endless(avifStart, '00000001667265650000000000000010')],
  ['brands', endless('ffffffff6674797068656963', '68656963')],
  ['associations', manyAssociations()],
])('reads few headers of 16 MiB made of %s', (_, bytes) => {
  const startMs = performance.now();
  for (let round = 0; round < 10; round += 1) imageFactsFromBytes(bytes);
  // Bounded, ten rounds take a few milliseconds; read to the end, they take seconds.
  expect(performance.now() - startMs).toBeLessThan(300);
});
