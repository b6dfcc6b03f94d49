import type { ModelSizes } from './renderer.ts';
import { sizeFromRatio } from './size-from-ratio.ts';

export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** A size may differ from the ratio asked for by this factor; more would be another image. */
const ratioErrorMax = Math.log(1.25);

/**
 * The size of a model that is nearest to a ratio.
 *
 * @param ratio Undefined is the model's own: the first of a list, or a square.
 * @returns Undefined where no size comes near enough.
 */
export function sizeForRatio(
  ratio: { readonly width: bigint; readonly height: bigint } | undefined,
  sizes: ModelSizes,
): PixelSize | undefined {
  if (ratio === undefined) {
    return sizes.kind === 'list' ? sizes.sizes[0] : sizeFromRatio(ratio, sizes);
  }
  if (ratio.width <= 0n || ratio.height <= 0n) return undefined;
  const wanted = Number(ratio.width) / Number(ratio.height);
  const error = (size: PixelSize) => Math.abs(Math.log(size.width / size.height / wanted));
  const near = sizes.kind === 'list' ? nearest(sizes.sizes, error) : sizeFromRatio(ratio, sizes);
  return near !== undefined && error(near) <= ratioErrorMax ? near : undefined;
}

function nearest(
  sizes: readonly PixelSize[],
  error: (size: PixelSize) => number,
): PixelSize | undefined {
  return sizes.toSorted((a, b) => error(a) - error(b))[0];
}
