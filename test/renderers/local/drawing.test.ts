import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawn, imageRequest, start } from '../../emulator/emulator-client.ts';

describe('an image', () => {
  it.each([
    ['', 'jpeg'],
    ['image/jpeg', 'jpeg'],
    ['image/png', 'png'],
    ['image/webp', 'webp'],
  ])('is drawn in the requested format: %s', async (mimeType, format) => {
    const { grpc } = await start();
    const facts = await sharp(
      await drawn(grpc, imageRequest('a red cat', { mimeType })),
    ).metadata();
    expect(facts).toMatchObject({ format, width: 1024, height: 1024 });
  });

  it.each([
    [16n, 9n],
    [9n, 16n],
    [3n, 1n],
    [1n, 1n],
  ])('has the ratio %s:%s and about a megapixel', async (widthRatio, heightRatio) => {
    const { grpc } = await start();
    const bytes = await drawn(
      grpc,
      imageRequest('hills', { aspectRatio: { widthRatio, heightRatio } }),
    );
    const { width, height } = await sharp(bytes).metadata();
    expect(width / height).toBeCloseTo(Number(widthRatio) / Number(heightRatio), 1);
    expect(width * height).toBeGreaterThan(0.85 * 1024 * 1024);
    expect(width * height).toBeLessThan(1.15 * 1024 * 1024);
    expect(bytes.length).toBeGreaterThan(50_000);
  });

  it('is the same for the same text and seed, and different for any other', async () => {
    const { grpc } = await start();
    const first = await drawn(grpc, imageRequest('a red cat'));
    expect((await drawn(grpc, imageRequest('a red cat'))).equals(first)).toBe(true);
    expect((await drawn(grpc, imageRequest('a red cat', { seed: 8n }))).equals(first)).toBe(false);
    expect((await drawn(grpc, imageRequest('a blue cat'))).equals(first)).toBe(false);
    const unseeded = [imageRequest('a cat', { seed: 0n }), imageRequest('a cat', { seed: 0n })];
    const [one, other] = await Promise.all(unseeded.map((request) => drawn(grpc, request)));
    expect(one?.equals(other ?? Buffer.alloc(0))).toBe(false);
  });

  it('takes its colours from the text', async () => {
    const { grpc } = await start();
    const share = async (text: string) => {
      const { channels } = await sharp(await drawn(grpc, imageRequest(text))).stats();
      return (channels[0]?.mean ?? 0) - (channels[2]?.mean ?? 0);
    };
    expect(await share('a red cat')).toBeGreaterThan((await share('a blue cat')) + 5);
  });

  it.each([
    '<script>&"\'',
    '😀🏳️‍🌈',
    'שלום עולם',
    'a\u0000b\u0007c',
    'я'.repeat(500),
    '\u202eright to left',
    '   ',
  ])('is drawn for the text %j', async (text) => {
    const { grpc } = await start();
    expect((await sharp(await drawn(grpc, imageRequest(text))).metadata()).format).toBe('jpeg');
  });

  it('shows only as much of a long prompt as fits', async () => {
    const { grpc } = await start();
    const aspectRatio = { widthRatio: 1n, heightRatio: 8n };
    const facts = await sharp(
      await drawn(grpc, imageRequest('word '.repeat(100), { aspectRatio })),
    ).metadata();
    expect([facts.width, facts.height]).toEqual([360, 2_880]);
  });

  it('is the same when others are drawn at the same time', async () => {
    const { grpc } = await start({ resultReadsPerSecondMax: 1_000 });
    const alone = await drawn(grpc, imageRequest('a city by the sea'));
    const others = Array.from({ length: 12 }, (_, index) => imageRequest(`a forest ${index % 6}`));
    const together = await Promise.all(
      [...others, imageRequest('a city by the sea')].map((request) => drawn(grpc, request)),
    );
    expect(together.at(-1)?.equals(alone)).toBe(true);
    expect(together[0]?.equals(together[6] ?? alone)).toBe(true);
    expect(together[0]?.equals(together[1] ?? alone)).toBe(false);
  });

  it.each([
    'a rocket to the moon',
    'кошка в звездолёте',
    'a boat on the sea',
    'тюльпаны у моря',
    'город ночью',
    'snowy mountains at sunset',
  ])('of %s differs from seed to seed', async (text) => {
    const { grpc } = await start();
    const one = await drawn(grpc, imageRequest(text, { seed: 1n }));
    const other = await drawn(grpc, imageRequest(text, { seed: 2n }));
    const [facts, otherFacts] = await Promise.all([sharp(one).stats(), sharp(other).stats()]);
    // Not only the number in the caption: the scene has another light and other colours.
    expect(facts.channels.map(({ mean }) => mean.toFixed(0))).not.toEqual(
      otherFacts.channels.map(({ mean }) => mean.toFixed(0)),
    );
    // A plain surface with grain has an entropy of about 5, a scene has more.
    expect(facts.entropy).toBeGreaterThan(5.5);
  });
});
