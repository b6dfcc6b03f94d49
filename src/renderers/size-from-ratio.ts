/** What sizes a model makes: about one area for every ratio. */
export interface AreaSizes {
  readonly areaPixels: number;
  /** Sides are multiples of this. */
  readonly sidePixels: number;
  /** Greatest ratio of the longer side to the shorter. */
  readonly ratioMax: number;
}

/**
 * The size nearest to a ratio.
 *
 * @param ratio Undefined is a square.
 * @returns Undefined where the ratio is not positive, or beyond `ratioMax`.
 */
export function sizeFromRatio(
  ratio: { readonly width: bigint; readonly height: bigint } | undefined,
  { areaPixels, sidePixels, ratioMax }: AreaSizes,
): { readonly width: number; readonly height: number } | undefined {
  const { width: widthRatio, height: heightRatio } = ratio ?? { width: 1n, height: 1n };
  if (widthRatio <= 0n || heightRatio <= 0n) return undefined;
  const quotient = Number(widthRatio) / Number(heightRatio);
  if (quotient > ratioMax || quotient < 1 / ratioMax) return undefined;
  const rounded = (pixels: number) =>
    Math.max(sidePixels, Math.round(pixels / sidePixels) * sidePixels);
  const width = rounded(Math.sqrt(areaPixels * quotient));
  return { width, height: rounded(width / quotient) };
}
