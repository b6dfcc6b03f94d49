import { characterCount } from '../../text/character-count.ts';
import { commandInPrompt, type PromptSyntax } from '../prompt-syntax.ts';
import { RendererError, type ModelCard, type RenderPlan, type RenderRequest } from '../renderer.ts';
import { seedForModel } from '../seed.ts';
import { sizeForRatio } from '../size.ts';
import type { Dialect } from './dialects.ts';

/** Types that callers may ask for: what the backend can't make is converted. */
export const mediaTypes = ['image/jpeg', 'image/png', 'image/webp'] as const;

/** The name that clients of the vendor have built in; it means the backend's one model. */
export const vendorModelName = 'yandex-art';

/** What a caller may name a backend's model by: the last part of its own name. */
export function publicNameOf(model: string): string {
  const last =
    model
      .replace(/\/(?:latest|rc|deprecated)$/, '')
      .split('/')
      .at(-1) ?? '';
  return last.replace(/[^A-Za-z0-9._-]+/g, '-');
}

/** @param model The backend's name; an empty one where it is not known yet. */
export function cardsOf(model: string, dialect: Dialect): readonly ModelCard[] {
  const names = new Set([...(model === '' ? [] : [publicNameOf(model)]), vendorModelName]);
  return [...names].map((name) => ({
    name,
    sizes: dialect.sizes(model),
    mediaTypes,
    promptCharactersMax: dialect.promptCharactersMax,
    seedMax: dialect.seedMax,
    hasNegativePrompts: dialect.hasNegativePrompt === true,
  }));
}

export interface PlanRules {
  readonly cards: readonly ModelCard[];
  readonly syntax: PromptSyntax;
  readonly drawSeed: () => bigint;
}

const modelUriPattern = /^art:\/\/[^/]+\/([^/]+)(?:\/[^/]+)?$/;

/** @throws RendererError `refused` or `prompt_too_long`. */
export function planOf(request: RenderRequest, { cards, syntax, drawSeed }: PlanRules): RenderPlan {
  const { modelUri, prompt, negativePrompts, seed, ratio, mediaType } = request;
  const card = cardOf(modelUri, cards);
  checkTexts(request, card, syntax);
  if (seed < 0n) throw refused('generation_options.seed', 'Seed must not be negative');
  const size = sizeForRatio(ratio, card.sizes);
  if (size === undefined) throw refused('generation_options.aspect_ratio', ratioMessage(card));
  const wanted = mediaType === '' ? mediaTypes[0] : mediaType;
  if (!mediaTypes.some((known) => known === wanted)) {
    const text = `Mime type must be one of ${mediaTypes.join(', ')}`;
    throw refused('generation_options.mime_type', text);
  }
  const isNegativeIgnored = negativePrompts.length > 0 && !card.hasNegativePrompts;
  return {
    model: card.name,
    prompt,
    negativePrompts: card.hasNegativePrompts ? negativePrompts : [],
    ...(card.seedMax === undefined
      ? {}
      : { seed: String(seedForModel(seed, card.seedMax, drawSeed)) }),
    width: size.width,
    height: size.height,
    mediaType: wanted,
    ...(isNegativeIgnored ? { ignored: ['negative_prompt'] } : {}),
  };
}

function cardOf(modelUri: string, cards: readonly ModelCard[]): ModelCard {
  const [, name] = modelUriPattern.exec(modelUri) ?? [];
  if (name === undefined) {
    throw refused('model_uri', 'Model URI must be art://<folder>/<model>[/<version>]');
  }
  const card = cards.find((known) => known.name === name);
  if (card === undefined) {
    throw refused('model_uri', 'Model URI names a model that is not served here');
  }
  return card;
}

function checkTexts(
  { prompt, negativePrompts }: RenderRequest,
  { promptCharactersMax }: ModelCard,
  syntax: PromptSyntax,
): void {
  const characters = characterCount(prompt);
  if (characters === 0) throw refused('messages', 'Prompt is empty');
  if (characters > promptCharactersMax) {
    const text = `Prompt positive size ${characters} exceeds limit (${promptCharactersMax})`;
    throw new RendererError('prompt_too_long', text);
  }
  for (const text of [prompt, ...negativePrompts]) {
    const command = commandInPrompt(text, syntax);
    if (command !== undefined) {
      throw refused(
        'messages',
        `Prompt must not contain ${command}: the image model could take it for a command`,
      );
    }
  }
}

function ratioMessage({ sizes }: ModelCard): string {
  if (sizes.kind === 'area') {
    return `Aspect ratio must be positive and between 1:${sizes.ratioMax} and ${sizes.ratioMax}:1`;
  }
  const list = sizes.sizes.map(({ width, height }) => `${width}x${height}`).join(', ');
  return `Aspect ratio must be within 25 % of a size of the model: ${list}`;
}

function refused(field: string, message: string): RendererError {
  return new RendererError('refused', message, { field });
}
