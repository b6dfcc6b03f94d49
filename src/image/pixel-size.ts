/** Width and height of the encoded picture, in pixels; both at least 1. */
export interface PixelSize {
  readonly width: number;
  readonly height: number;
}

/** Undefined unless both sides are there and at least 1: a picture without a side has no size to tell. */
export function pixelSize(
  width: number | undefined,
  height: number | undefined,
): PixelSize | undefined {
  return width && height ? { width, height } : undefined;
}
