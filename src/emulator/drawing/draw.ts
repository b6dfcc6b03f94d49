import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type Sharp from 'sharp';
import { sceneSvg, type DrawingOrder } from './scene.ts';
import { seededNumbers } from './seeded-numbers.ts';

export const drawnMediaTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;
export type DrawnMediaType = (typeof drawnMediaTypes)[number];

/** Draws pictures off the event loop, a few at a time. */
export interface Draftsman {
  /** The encoded picture. */
  draw(order: DrawingOrder, mediaType: DrawnMediaType): Promise<Buffer>;
  /** Removes what was written for the fonts. */
  close(): Promise<void>;
}

const grainTilePixels = 256;
const drawingsAtOnceMax = 2;

/**
 * Opens the drawing library with the fonts of its own package, so that pictures
 * are the same on a machine without any. The library is loaded here and not
 * before: it costs a tenth of a second that nobody should wait for.
 */
export async function openDraftsman(): Promise<Draftsman> {
  const directory = await mkdtemp(join(tmpdir(), 'image-generation-emulator-'));
  await writeFile(join(directory, 'fonts.conf'), fontConfiguration(directory));
  // Read once, when the library loads.
  process.env['FONTCONFIG_FILE'] ??= join(directory, 'fonts.conf');
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  const grain = await grainTile(sharp);
  const queue = new DrawingQueue(drawingsAtOnceMax);
  return {
    draw: (order, mediaType) => queue.run(() => draw(sharp, grain, order, mediaType)),
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

async function draw(
  sharp: typeof Sharp,
  grain: Buffer,
  order: DrawingOrder,
  mediaType: DrawnMediaType,
): Promise<Buffer> {
  const picture = sharp(Buffer.from(sceneSvg(order)))
    .composite([{ input: grain, tile: true, blend: 'soft-light' }])
    .flatten();
  switch (mediaType) {
    case 'image/jpeg':
      return picture.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toBuffer();
    case 'image/png':
      return picture.png({ compressionLevel: 6 }).toBuffer();
    case 'image/webp':
      return picture.webp({ quality: 88, effort: 2 }).toBuffer();
  }
}

/** Fine noise that keeps the gradients from banding and gives a file the size of a photograph's. */
function grainTile(sharp: typeof Sharp): Promise<Buffer> {
  const numbers = seededNumbers('grain');
  const pixels = Buffer.alloc(grainTilePixels * grainTilePixels);
  for (let index = 0; index < pixels.length; index += 1) {
    pixels[index] = 128 + Math.round((numbers.next() + numbers.next() - 1) * 34);
  }
  const raw = { width: grainTilePixels, height: grainTilePixels, channels: 1 } as const;
  return sharp(pixels, { raw }).png().toBuffer();
}

/** Runs a few tasks at once and keeps the others in line. */
class DrawingQueue {
  readonly #atOnceMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running === this.#atOnceMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed on, not given back and taken again.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function fontConfiguration(directory: string): string {
  const fonts = dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json'));
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${join(fonts, 'ttf')}</dir><cachedir>${join(directory, 'cache')}</cachedir></fontconfig>
`;
}
