import {
  RendererError,
  type Attempt,
  type ModelCard,
  type RenderedImage,
  type Renderer,
  type RenderPlan,
} from '../../src/renderers/renderer.ts';

export interface StubRendererOptions {
  readonly spend?: Renderer['spend'];
  /** The model's abilities; by default one without seeds and negative prompts. */
  readonly card?: Partial<ModelCard>;
  readonly concurrency?: number;
  /** Makes the image, or throws. By default one pixel as PNG. */
  readonly render?: (plan: RenderPlan, attempt: Attempt) => Promise<RenderedImage>;
}

const onePixelPng =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** A renderer of a model with abilities of the test's choice, whose work the test does itself. */
export function stubRenderer(options: StubRendererOptions = {}): Renderer {
  const { spend = 'once', concurrency = 4, render = async () => onePixel() } = options;
  const card: ModelCard = {
    name: 'stub-1',
    sizes: { kind: 'list', sizes: [{ width: 1_024, height: 1_024 }] },
    mediaTypes: ['image/png'],
    promptCharactersMax: 100,
    seedMax: undefined,
    hasNegativePrompts: false,
    ...options.card,
  };
  return {
    name: 'stub',
    spend,
    isRepeatable: false,
    models: [card],
    concurrency,
    delayMs: 0,
    plan({ modelUri, prompt, negativePrompts, seed, ratio, mediaType }) {
      if (modelUri.split('/')[3] !== card.name) {
        const message = 'Model URI names a model that is not served here';
        throw new RendererError('refused', message, { field: 'model_uri' });
      }
      if (ratio !== undefined && ratio.width > 3n * ratio.height) {
        const message = 'Aspect ratio must be between 1:3 and 3:1';
        throw new RendererError('refused', message, { field: 'generation_options.aspect_ratio' });
      }
      const isIgnored = negativePrompts.length > 0 && !card.hasNegativePrompts;
      return {
        model: card.name,
        prompt,
        negativePrompts: card.hasNegativePrompts ? negativePrompts : [],
        ...(card.seedMax !== undefined && { seed: String(seed % (card.seedMax + 1n)) }),
        ...{ width: 1_024, height: 1_024 },
        mediaType: mediaType === '' ? card.mediaTypes[0]! : mediaType,
        ...(isIgnored && { ignored: ['negative_prompt'] }),
      };
    },
    render,
    probe: async () => undefined,
    close: async () => undefined,
  };
}

/** One pixel, as an image of a model. */
export function onePixel(): RenderedImage {
  const bytes = Buffer.from(onePixelPng, 'base64');
  return { bytes, mediaType: 'image/png', modelVersion: 'stub-1' };
}
