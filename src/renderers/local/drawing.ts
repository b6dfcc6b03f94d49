import type { AreaSizes } from '../size-from-ratio.ts';
import { drawingLibrary, type DrawingLibrary } from './drawing-library.ts';
import { DrawingQueue, type QueuedDrawing } from './drawing-queue.ts';
import { sceneSvg, type DrawingRequest } from './scene.ts';
import { seededNumbers } from './seeded-numbers.ts';

export const drawnMediaTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;
export type DrawnMediaType = (typeof drawnMediaTypes)[number];

export const drawingSizes: AreaSizes = { areaPixels: 1024 * 1024, sidePixels: 8, ratioMax: 8 };

/** Draws images on background threads, a few at a time. */
export interface Drawing {
  /** Drawings that have not started. */
  readonly waitingCount: number;
  /** Queues one image; equal requests give equal bytes. */
  draw(request: DrawingRequest, mediaType: DrawnMediaType): QueuedDrawing;
  /** Drops drawings that have not started, and waits for the others. */
  close(): Promise<void>;
}

const grainTilePixels = 256;
const drawingsAtOnceMax = 2;

export function openDrawing(): Drawing {
  const queue = new DrawingQueue(drawingsAtOnceMax);
  let grain: Promise<Buffer> | undefined;
  return {
    get waitingCount() {
      return queue.waitingCount;
    },
    draw: (request, mediaType) =>
      queue.add(async () => {
        const library = await drawingLibrary();
        grain ??= grainTile(library).catch((error: unknown) => {
          grain = undefined;
          throw error;
        });
        return draw(library, await grain, request, mediaType);
      }),
    close: () => queue.close(),
  };
}

async function draw(
  library: DrawingLibrary,
  grain: Buffer,
  request: DrawingRequest,
  mediaType: DrawnMediaType,
): Promise<Buffer> {
  const image = library(Buffer.from(sceneSvg(request)))
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

/** A tile of fine noise: it hides banding in gradients and makes files as large as photographs. */
function grainTile(library: DrawingLibrary): Promise<Buffer> {
  const numbers = seededNumbers('grain');
  const pixels = Buffer.alloc(grainTilePixels * grainTilePixels);
  for (let index = 0; index < pixels.length; index += 1) {
    pixels[index] = 128 + Math.round((numbers.next() + numbers.next() - 1) * 34);
  }
  const raw = { width: grainTilePixels, height: grainTilePixels, channels: 1 } as const;
  return library(pixels, { raw }).png().toBuffer();
}
