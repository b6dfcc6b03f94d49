import { promptCharactersMaxOf, type ImageDefaults } from './images.ts';
import type { JsonValue } from './json-value.ts';
import { cardOf, type ModelSizes } from './model-card.ts';
import { modelUriFromName } from './models.ts';

/** A model in the form of OpenAI's API, with what it can do where the upstream says it. */
export function openAiModelJson(name: string, defaults: ImageDefaults): JsonValue {
  const modelUri = modelUriFromName(name, defaults);
  const card = cardOf(modelUri, defaults.modelCards);
  return {
    ...{ id: name, object: 'model', created: 0, owned_by: 'upstream' },
    ...(card !== undefined && {
      ...sizesJson(card.sizes),
      media_types: card.mediaTypes,
      prompt_characters_max: promptCharactersMaxOf(modelUri, defaults),
      seeds: card.seedMax !== undefined,
      negative_prompts: card.hasNegativePrompts,
    }),
  };
}

function sizesJson(sizes: ModelSizes | undefined) {
  if (sizes === undefined) return {};
  if (sizes.kind === 'list') {
    return { sizes: sizes.sizes.map(({ width, height }) => `${width}x${height}`) };
  }
  const { pixels, sidePixels, ratioMax } = sizes;
  return { size_area: { pixels, side_multiple: sidePixels, ratio_max: ratioMax } };
}
