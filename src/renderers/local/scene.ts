import type { Canvas } from './canvas.ts';
import { caption } from './caption.ts';
import { land, nearShore, type Terrain } from './land.ts';
import { paletteFromWords } from './palette.ts';
import { sea } from './sea.ts';
import { seededNumbers } from './seeded-numbers.ts';
import { lightOf, sky } from './sky.ts';
import { porthole, space } from './space.ts';
import { subject, type Subject } from './subject.ts';

/** The content of one image. Equal requests give equal images, byte for byte. */
export interface DrawingRequest {
  /** What the image should show. */
  readonly prompt: string;
  /** What it should not show; only changes the random numbers. */
  readonly negative: string;
  readonly seed: bigint;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

type Scenery = Terrain | 'sea';

/** Beginnings of English and Russian words, and the scenery that they stand for. */
const sceneries: readonly (readonly [RegExp, Scenery])[] = [
  [
    /^(sea|ocean|lake|river|beach|boats?$|sail|ships?$|wave|мор[ея]|океан|озер|рек[аи]|волн|пляж|лодк|парус)/,
    'sea',
  ],
  [/^(mountain|peak|alps|snow|гор[аыуе]$|горн|снег|снежн|верш)/, 'mountains'],
  [/^(city|cities|town|street|skyline|город|улиц|небоскр)/, 'city'],
  [/^(forest|trees?$|wood|pine|лес|дерев|сосн|[её]лк)/, 'forest'],
  [/^(hill|field|meadow|desert|холм|пол[еяю]$|луг|пустын)/, 'hills'],
];
const subjects: readonly (readonly [RegExp, Subject])[] = [
  [/^(cats?$|kitten|kitty|кот(а|у|ом|е|ы|ик|[её]н.*)?$|кошк)/, 'cat'],
  [/^(flower|roses?$|tulip|poppy|poppies|цвет(ок|ы|к)|роз[аыу]$|тюльпан|мак[аи]?$)/, 'flower'],
  [/^(boat|sail|ships?$|yacht|лодк|парус|яхт|корабл)/, 'boat'],
  [/^(rocket|ракет)/, 'rocket'],
];
const spaceWords = /^(space|planet|galax|cosm|rocket|nebula|космо|космич|планет|галакт|ракет)/;
const insideWords = /^(spaceship|spacecraft|звездол)/;
const wordsMax = 200;

/** The image as SVG. */
export function sceneSvg(request: DrawingRequest): string {
  const { prompt, negative, seed, width, height } = request;
  const words =
    prompt
      .toLowerCase()
      .match(/\p{L}+/gu)
      ?.slice(0, wordsMax) ?? [];
  const numbers = seededNumbers(prompt, negative, String(seed));
  const side = Math.sqrt(width * height);
  const canvas: Canvas = {
    width,
    height,
    side,
    palette: paletteFromWords(words, numbers),
    numbers,
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    isSpace(words) ? spaceScene(canvas, words) : landscape(canvas, words),
    caption(prompt, seed, canvas),
    '</svg>',
  ].join('');
}

function isSpace(words: readonly string[]): boolean {
  return words.some((word) => spaceWords.test(word) || insideWords.test(word));
}

function spaceScene(canvas: Canvas, words: readonly string[]): string {
  const { width, height } = canvas;
  const kind = named(subjects, words);
  const isInside =
    words.some((word) => insideWords.test(word)) || kind === 'cat' || kind === 'flower';
  const x = canvas.numbers.between(0.26, 0.36) * width;
  const scene = [space(canvas)];
  if (isInside) scene.push(porthole(canvas));
  if (isInside && kind !== undefined && kind !== 'boat') {
    scene.push(subject(canvas, kind, { x, bottom: height * 0.84, size: height * 0.52 }));
  } else if (kind === 'rocket' || kind === 'boat') {
    scene.push(subject(canvas, 'rocket', { x, bottom: height * 0.74, size: height * 0.42 }));
  }
  return scene.join('');
}

function landscape(canvas: Canvas, words: readonly string[]): string {
  const { width, height, numbers } = canvas;
  const scenery =
    named(sceneries, words) ??
    numbers.pick(['hills', 'hills', 'mountains', 'sea', 'forest'] as const);
  const light = lightOf(canvas);
  const scene = [sky(canvas, light)];
  scene.push(scenery === 'sea' ? sea(canvas, light) : land(canvas, scenery));
  const kind = named(subjects, words);
  if (kind !== undefined) {
    const isAfloat = kind === 'boat';
    // Beside the light, not below it.
    const x =
      (light.x > width / 2 ? numbers.between(0.24, 0.4) : numbers.between(0.6, 0.76)) * width;
    const bottom = height * (isAfloat ? 0.72 : 0.88);
    const size = Math.min(height * 0.52, width * 0.6) * (isAfloat ? 0.62 : 1);
    if (scenery === 'sea' && !isAfloat) scene.push(nearShore(canvas));
    scene.push(subject(canvas, kind, { x, bottom, size }));
  }
  return scene.join('');
}

function named<Thing>(
  list: readonly (readonly [RegExp, Thing])[],
  words: readonly string[],
): Thing | undefined {
  return list.find(([pattern]) => words.some((word) => pattern.test(word)))?.[1];
}
