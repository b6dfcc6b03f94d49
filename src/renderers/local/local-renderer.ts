import { createHash } from 'node:crypto';
import { drawingSizes, drawnMediaTypes, openDrawing, type DrawnMediaType } from './drawing.ts';
import { RendererError, type Renderer, type RenderPlan, type RenderRequest } from '../renderer.ts';
import { sizeFromRatio } from '../size-from-ratio.ts';

export interface LocalRendererOptions {
  /** From acceptance to the drawing, in milliseconds: as long as a model would take. */
  readonly delayMs: number;
  readonly promptCharactersMax: number;
  /** Names that are served. */
  readonly models: readonly string[];
  /** A seed where a request leaves it to chance, 1 … 2^53 − 1. */
  readonly drawSeed: () => bigint;
}

/** Returned with every image, so that no one takes it for a model's. */
const modelVersion = 'local drawing, no model';
const seedMax = 2n ** 63n - 1n;
const modelUriPattern = /^art:\/\/[^/]+\/([^/]+)(?:\/[^/]+)?$/;

/** Draws images on this machine, at no cost. Equal plans give equal bytes. */
export function openLocalRenderer(options: LocalRendererOptions): Renderer {
  const drawing = openDrawing();
  return {
    name: 'local',
    spend: 'free',
    isRepeatable: true,
    stopsOnAbort: true,
    models: options.models.map((name) => ({
      name,
      sizes: { kind: 'area', ...drawingSizes },
      mediaTypes: drawnMediaTypes,
      promptCharactersMax: options.promptCharactersMax,
      seedMax,
      hasNegativePrompts: true,
    })),
    concurrency: 2,
    delayMs: options.delayMs,
    plan: (request) => planOf(request, options),
    async render(plan, { signal }) {
      const { prompt, seed = '1', width, height, mediaType } = plan;
      // Has no limit, is kept for days, and only has to make a difference.
      const negative = createHash('sha256')
        .update(JSON.stringify(plan.negativePrompts))
        .digest('base64url');
      const request = { prompt, negative, seed: BigInt(seed), width, height };
      const bytes = await drawing
        .draw(request, mediaType as DrawnMediaType)
        .image.catch((error: unknown) => {
          throw new RendererError('failed', 'the drawing failed', { cause: error });
        });
      if (signal.aborted) throw new RendererError('failed', 'the drawing was given up');
      return { bytes, mediaType, modelVersion };
    },
    probe: async () => undefined,
    close: () => drawing.close(),
  };
}

function planOf(request: RenderRequest, options: LocalRendererOptions): RenderPlan {
  const { modelUri, prompt, negativePrompts, seed, ratio, mediaType } = request;
  const [, model = ''] = modelUriPattern.exec(modelUri) ?? [];
  if (model === '') {
    throw refused('model_uri', 'Model URI must be art://<folder>/<model>[/<version>]');
  }
  if (!options.models.includes(model)) {
    throw refused('model_uri', 'Model URI names a model that is not served here');
  }
  const characters = [...prompt.normalize('NFC')].length;
  if (characters === 0) throw refused('messages', 'Prompt is empty');
  const max = options.promptCharactersMax;
  if (characters > max) {
    throw new RendererError(
      'prompt_too_long',
      `Prompt positive size ${characters} exceeds limit (${max})`,
    );
  }
  if (seed < 0n || seed > seedMax) {
    throw refused('generation_options.seed', 'Seed must not be negative');
  }
  const size = sizeFromRatio(ratio, drawingSizes);
  if (size === undefined) {
    const text = `Aspect ratio must be positive and between 1:${drawingSizes.ratioMax} and ${drawingSizes.ratioMax}:1`;
    throw refused('generation_options.aspect_ratio', text);
  }
  const wanted = mediaType === '' ? drawnMediaTypes[0] : mediaType;
  if (!drawnMediaTypes.some((known) => known === wanted)) {
    const text = `Mime type must be one of ${drawnMediaTypes.join(', ')}`;
    throw refused('generation_options.mime_type', text);
  }
  const drawn = seed === 0n ? options.drawSeed() : seed;
  return { model, prompt, negativePrompts, seed: String(drawn), ...size, mediaType: wanted };
}

function refused(field: string, message: string): RendererError {
  return new RendererError('refused', message, { field });
}
