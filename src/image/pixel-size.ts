/** Width and height of the encoded image, in pixels; both at least 1. */
export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** Undefined unless both sides are known and at least 1. */
export function pixelSize(
  width: number | undefined,
  height: number | undefined,
): PixelSize | undefined {
  return width && height ? { width, height } : undefined;
}
