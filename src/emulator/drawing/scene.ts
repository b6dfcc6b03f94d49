import { caption } from './caption.ts';
import { landscape, type Canvas, type Terrain } from './landscape.ts';
import { isSpace, porthole, space, subject } from './motifs.ts';
import { paletteFromWords } from './palette.ts';
import { seededNumbers } from './seeded-numbers.ts';

/** What to draw. Equal orders give equal pictures, byte for byte. */
export interface DrawingOrder {
  /** What should be in the picture. */
  readonly prompt: string;
  /** What should not be; no more than that it differs makes a difference. */
  readonly negative: string;
  readonly seed: bigint;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

const terrains: readonly (readonly [RegExp, Terrain])[] = [
  [/^(sea|ocean|lake|beach|boat|wave|море|океан|озер|волн|пляж)/, 'sea'],
  [/^(mountain|peak|alps|snow|гор[аыу]|снег|верш)/, 'mountains'],
  [/^(city|town|street|skyline|город|улиц|небоскр)/, 'city'],
  [/^(forest|tree|wood|pine|лес|дерев|сосн|[её]лк)/, 'forest'],
];

/** The picture as SVG. */
export function sceneSvg(order: DrawingOrder): string {
  const { prompt, negative, seed, width, height } = order;
  const words =
    prompt
      .toLowerCase()
      .match(/\p{L}+/gu)
      ?.slice(0, 200) ?? [];
  const numbers = seededNumbers(prompt, negative, String(seed));
  const canvas: Canvas = { width, height, palette: paletteFromWords(words, numbers), numbers };
  const isInside = words.some((word) => /^(spaceship|корабл)/.test(word));
  const isOutThere = isInside || isSpace(words);
  const background = isOutThere ? space(canvas) : landscape(canvas, terrainOf(words, canvas));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    background,
    isInside ? porthole(canvas) : '',
    subject(canvas, words),
    caption(prompt, seed, canvas),
    '</svg>',
  ].join('');
}

function terrainOf(words: readonly string[], { numbers }: Canvas): Terrain {
  const named = terrains.find(([pattern]) => words.some((word) => pattern.test(word)));
  return named?.[1] ?? numbers.pick(['hills', 'hills', 'mountains', 'sea', 'forest'] as const);
}
