import type { Palette } from './palette.ts';
import type { SeededNumbers } from './seeded-numbers.ts';

/** The size, colours and numbers that one image is drawn with. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** The side of a square of the same area, for sizes that are independent of the ratio. */
  readonly side: number;
  readonly palette: Palette;
  readonly numbers: SeededNumbers;
}

/** The sun or the moon, in pixels. */
export interface Light {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
}

/** A number of pixels in SVG, to a tenth. */
export function px(value: number): string {
  return value.toFixed(1);
}

/** A number of similar pieces of SVG. */
export function pieces(count: number, piece: (index: number) => string): string {
  return Array.from({ length: Math.round(count) }, (_, index) => piece(index)).join('');
}
