import type { Palette } from './palette.ts';
import type { SeededNumbers } from './seeded-numbers.ts';

/** Where an image is painted: pixels, and what with. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** The side of a square of the same area: sizes that should not follow the ratio do this. */
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

/** Pixels as SVG takes them; a tenth is finer than anybody sees. */
export function px(value: number): string {
  return value.toFixed(1);
}

/** So many pieces of SVG, one after the other. */
export function pieces(count: number, piece: (index: number) => string): string {
  return Array.from({ length: Math.round(count) }, (_, index) => piece(index)).join('');
}
