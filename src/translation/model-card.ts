import type { Model } from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import { imageMediaTypes } from '../text/media-type.ts';
import { printableText } from '../text/printable.ts';
import { modelNameOf } from './models.ts';

/** Sizes that a model makes, in pixels: any of a list, or about one area for every ratio. */
export type ModelSizes =
  | { readonly kind: 'list'; readonly sizes: readonly PixelSize[] }
  | {
      readonly kind: 'area';
      readonly pixels: number;
      /** Width and height are multiples of this. */
      readonly sidePixels: number;
      /** Greatest ratio of the longer side to the shorter. */
      readonly ratioMax: number;
    };

export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** What a model can do, where the upstream says it. */
export interface ModelCard {
  readonly name: string;
  readonly sizes: ModelSizes | undefined;
  /** The preferred one first. */
  readonly mediaTypes: readonly string[];
  /** In all texts of positive weight; undefined where the upstream does not say it. */
  readonly promptCharactersMax: number | undefined;
  /** Undefined where seeds change nothing. */
  readonly seedMax: bigint | undefined;
  readonly hasNegativePrompts: boolean;
}

const modelsMax = 1_000;
const nameCharactersMax = 256;
const listMax = 100;

/** The models of an upstream, as far as they are known. */
export interface ModelCatalog {
  /** Names of all of them; absent where the gateway can't know them. */
  readonly names?: readonly string[] | undefined;
  /** By name, of those that are described. */
  readonly cards: ReadonlyMap<string, ModelCard>;
  /** Media types that any of them makes, the preferred one first. */
  readonly mediaTypes: readonly string[];
}

/** The models that a service describes, the default one first. @param mediaTypes overrule what it says of them. */
export function modelCatalogFrom(
  models: readonly Model[],
  mediaTypes?: readonly string[],
): ModelCatalog {
  const cards = models
    .slice(0, modelsMax)
    .map(modelCardFromMessage)
    .map((card) => (mediaTypes === undefined ? card : { ...card, mediaTypes }));
  return {
    names: cards.map(({ name }) => name),
    cards: new Map(cards.map((card) => [card.name, card])),
    mediaTypes: [...new Set(cards.flatMap((card) => card.mediaTypes))],
  };
}

/** The card of the model that a URI names; undefined where the upstream does not describe it. */
export function cardOf(
  modelUri: string,
  cards: ReadonlyMap<string, ModelCard> | undefined,
): ModelCard | undefined {
  return cards?.get(modelNameOf(modelUri));
}

/** Fields that have no effect with this model, in camelCase. */
export function fieldsWithoutEffectOn(card: ModelCard | undefined): readonly string[] {
  if (card === undefined) return [];
  return [
    ...(card.seedMax === undefined ? ['seed'] : []),
    ...(card.hasNegativePrompts ? [] : ['negativePrompt']),
  ];
}

function modelCardFromMessage(model: Model): ModelCard {
  const { promptCharactersMax } = model;
  return {
    name: printableText(model.name, nameCharactersMax),
    sizes: sizesFromMessage(model.sizes),
    mediaTypes: model.mediaTypes
      .slice(0, listMax)
      .filter((mediaType) => imageMediaTypes.some((served) => served === mediaType)),
    promptCharactersMax: promptCharactersMax > 0 ? promptCharactersMax : undefined,
    seedMax: model.seedMax,
    hasNegativePrompts: model.hasNegativePrompts,
  };
}

function sizesFromMessage(sizes: Model['sizes']): ModelSizes | undefined {
  if (sizes.case === 'sizeList') {
    const list = sizes.value.sizes.slice(0, listMax);
    return { kind: 'list', sizes: list.map(({ width, height }) => ({ width, height })) };
  }
  if (sizes.case !== 'sizeArea') return undefined;
  const { pixels, sidePixels, ratioMax } = sizes.value;
  return { kind: 'area', pixels: Number(pixels), sidePixels, ratioMax };
}
