import type { ModelSizes } from '../renderer.ts';
import type { PixelSize } from '../size.ts';
import { sizeFromRatio } from '../size-from-ratio.ts';

/** A size of a model that is asked for by its ratio. */
export interface RatioSize extends PixelSize {
  /** Both sides, with a colon between them. */
  readonly ratio: string;
}

const megapixel = { areaPixels: 1_024 * 1_024, sidePixels: 16, ratioMax: 3 };

const gptImage1: ModelSizes = {
  kind: 'list',
  sizes: [
    { width: 1_024, height: 1_024 },
    { width: 1_536, height: 1_024 },
    { width: 1_024, height: 1_536 },
  ],
};

/** The sizes of OpenAI's models: the first ones have three, later ones take any multiple of 16. */
export function sizesOfGptImage(model: string): ModelSizes {
  return /gpt-image-1|chatgpt-image/.test(model) ? gptImage1 : { kind: 'area', ...megapixel };
}

/** Ratios of grok-imagine with the sizes that it makes of them at its resolution 1k. */
export const xaiSizes: readonly RatioSize[] = [
  { ratio: '1:1', width: 1_024, height: 1_024 },
  ...turned('4:3', 1_280, 896),
  ...turned('3:2', 1_296, 864),
  ...turned('16:9', 1_408, 768),
  ...turned('2:1', 1_408, 704),
  ...turned('20:9', 1_280, 576),
  ...turned('19.5:9', 1_248, 576),
];

function turned(ratio: string, width: number, height: number): readonly RatioSize[] {
  return [
    { ratio, width, height },
    { ratio: ratio.split(':').toReversed().join(':'), width: height, height: width },
  ];
}

const commonRatios: readonly (readonly [number, number])[] = [
  ...([
    [1, 1],
    [5, 4],
    [4, 3],
    [3, 2],
    [16, 9],
    [2, 1],
    [21, 9],
    [3, 1],
  ] as const),
  ...([
    [4, 5],
    [3, 4],
    [2, 3],
    [9, 16],
    [1, 2],
    [9, 21],
    [1, 3],
  ] as const),
];

/** Common ratios, each with the size of about a megapixel, for a model that chooses the size itself. */
export function sizesOfRatios(): readonly RatioSize[] {
  return commonRatios.flatMap(([width, height]) => {
    const ratio = { width: BigInt(width), height: BigInt(height) };
    const size = sizeFromRatio(ratio, megapixel);
    return size === undefined ? [] : [{ ratio: `${width}:${height}`, ...size }];
  });
}

/** The ratio of a size of the list. */
export function ratioNameOf(
  { width, height }: PixelSize,
  sizes: readonly RatioSize[],
  separator: string,
): string {
  const found = sizes.find((size) => size.width === width && size.height === height);
  return (found?.ratio ?? '1:1').replace(':', separator);
}
