import { drawingLibrary, type DrawingLibrary } from './drawing-library.ts';
import { DrawingQueue, type QueuedDrawing } from './drawing-queue.ts';
import { sceneSvg, type DrawingRequest } from './scene.ts';
import { seededNumbers } from './seeded-numbers.ts';

export const drawnMediaTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;
export type DrawnMediaType = (typeof drawnMediaTypes)[number];

/** Draws images off the event loop, a few at a time. */
export interface Renderer {
  /** Drawings that have not begun. */
  readonly waitingCount: number;
  /** The encoded image; equal orders give equal bytes. */
  draw(order: DrawingRequest, mediaType: DrawnMediaType): QueuedDrawing;
  /** Gives up the drawings that have not begun, and waits for the others. */
  close(): Promise<void>;
}

const grainTilePixels = 256;
const drawingsAtOnceMax = 2;

export function openRenderer(): Renderer {
  const queue = new DrawingQueue(drawingsAtOnceMax);
  let grain: Promise<Buffer> | undefined;
  return {
    get waitingCount() {
      return queue.waitingCount;
    },
    draw: (order, mediaType) =>
      queue.add(async () => {
        const library = await drawingLibrary();
        return draw(library, await (grain ??= grainTile(library)), order, mediaType);
      }),
    close: () => queue.close(),
  };
}

async function draw(
  library: DrawingLibrary,
  grain: Buffer,
  order: DrawingRequest,
  mediaType: DrawnMediaType,
): Promise<Buffer> {
  const image = library(Buffer.from(sceneSvg(order)))
    .composite([{ input: grain, tile: true, blend: 'soft-light' }])
    .flatten();
  switch (mediaType) {
    case 'image/jpeg':
      return image.jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toBuffer();
    case 'image/png':
      return image.png({ compressionLevel: 6 }).toBuffer();
    case 'image/webp':
      return image.webp({ quality: 88, effort: 2 }).toBuffer();
  }
}

/** Fine noise that keeps the gradients from banding and gives a file the size of a photograph's. */
function grainTile(library: DrawingLibrary): Promise<Buffer> {
  const numbers = seededNumbers('grain');
  const pixels = Buffer.alloc(grainTilePixels * grainTilePixels);
  for (let index = 0; index < pixels.length; index += 1) {
    pixels[index] = 128 + Math.round((numbers.next() + numbers.next() - 1) * 34);
  }
  const raw = { width: grainTilePixels, height: grainTilePixels, channels: 1 } as const;
  return library(pixels, { raw }).png().toBuffer();
}
