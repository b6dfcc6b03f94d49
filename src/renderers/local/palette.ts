import type { SeededNumbers } from './seeded-numbers.ts';

/** Red, green and blue, 0 … 1 each. */
export type Color = readonly [red: number, green: number, blue: number];

/** The colours of one image. */
export interface Palette {
  readonly skyTop: Color;
  readonly skyBottom: Color;
  readonly light: Color;
  /** The nearest layer; farther layers fade from it towards the sky. */
  readonly ground: Color;
  /** The subject, which should stand out. */
  readonly accent: Color;
  readonly isNight: boolean;
}

/** Beginnings of English and Russian colour words, and their hue 0 … 360, saturation and lightness. */
const colorWords: readonly (readonly [RegExp, readonly [number, number, number]])[] = [
  [/^(red|scarlet|crimson|красн|алы)/, [4, 0.72, 0.5]],
  [/^(orange|ginger|оранж|рыж)/, [22, 0.85, 0.55]],
  [/^(gold|amber|золот|янтар)/, [42, 0.8, 0.55]],
  [/^(yellow|ж[её]лт)/, [50, 0.85, 0.6]],
  [/^(green|emerald|зел[её]н|изумруд)/, [142, 0.45, 0.4]],
  [/^(teal|turquoise|бирюз)/, [178, 0.6, 0.4]],
  [/^(cyan|azure|голуб|лазур)/, [196, 0.7, 0.58]],
  [/^(blue|navy|син)/, [218, 0.68, 0.5]],
  [/^(violet|purple|lilac|фиолет|лилов|сирен)/, [272, 0.48, 0.55]],
  [/^(pink|rose|magenta|розов)/, [338, 0.72, 0.68]],
  [/^(brown|коричн|бур)/, [26, 0.45, 0.36]],
  [/^(white|silver|grey|gray|бел|сер)/, [210, 0.1, 0.84]],
  [/^(black|ч[её]рн)/, [225, 0.12, 0.14]],
];
const nightWords = /^(night|moon|star|space|midnight|dark|ноч|лун|зв[её]зд|космо|т[её]мн)/;

const lowSunWords = /^(sunset|sunrise|dusk|dawn|evening|morning|закат|рассвет|вечер|утр)/;

type SkyHues = readonly [top: number, horizon: number];

/** Skies of a low sun: hue at the top, hue at the horizon. */
const lowSunSkies: readonly SkyHues[] = [
  [262, 20],
  [228, 340],
  [28, 42],
  [214, 26],
];

/** Natural skies by day: hue at the top, hue at the horizon. */
const daySkies: readonly SkyHues[] = [
  [208, 196],
  [214, 36],
  [200, 24],
  [228, 340],
  [262, 20],
  [190, 48],
  [28, 42],
];

/** A palette of the colours that the words name, and of seeded colours for the rest. */
export function paletteFromWords(words: readonly string[], numbers: SeededNumbers): Palette {
  const named = words.flatMap((word) => {
    const found = colorWords.find(([pattern]) => pattern.test(word));
    return found === undefined ? [] : [found[1]];
  });
  const isNight =
    words.some((word) => nightWords.test(word)) ||
    (numbers.next() < 0.2 && !words.some((word) => lowSunWords.test(word)));
  const [hue, saturation] = named[0] ?? [numbers.between(0, 360), 0.5];
  // The last colour word is the nearest to the subject.
  const accent = named.at(-1) ?? ([hue + 180, 0.72, 0.56] as const);
  const [topHue, bottomHue] = isNight
    ? [numbers.between(215, 262), numbers.between(225, 320)]
    : numbers.pick(words.some((word) => lowSunWords.test(word)) ? lowSunSkies : daySkies);
  // A named colour also tints the sky, most at the horizon.
  const tint = (sky: Color, share: number) =>
    named.length === 0
      ? sky
      : mixed(sky, colorFromHsl(hue, saturation, isNight ? 0.3 : 0.7), share);
  const skyTop = isNight ? colorFromHsl(topHue, 0.55, 0.09) : colorFromHsl(topHue, 0.55, 0.56);
  const skyBottom = isNight
    ? colorFromHsl(bottomHue, 0.4, 0.34)
    : colorFromHsl(bottomHue, 0.7, 0.85);
  return {
    isNight,
    accent: colorFromHsl(...accent),
    skyTop: tint(skyTop, 0.35),
    skyBottom: tint(skyBottom, 0.55),
    light: isNight ? colorFromHsl(48, 0.4, 0.92) : colorFromHsl(44, 0.95, 0.89),
    ground: colorFromHsl(hue, saturation * 0.75, isNight ? 0.07 : 0.17),
  };
}

/** Hue 0 … 360, saturation and lightness 0 … 1. */
export function colorFromHsl(hue: number, saturation: number, lightness: number): Color {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (offset: number) => {
    const place = (offset + hue / 30 + 24) % 12;
    return lightness - reach * Math.max(-1, Math.min(place - 3, 9 - place, 1));
  };
  return [channel(0), channel(8), channel(4)];
}

/** A colour in SVG. */
export function css(color: Color): string {
  return `rgb(${color.map((channel) => Math.round(channel * 255)).join(',')})`;
}

/** A mix of two colours; `share` 0 is the first, 1 the second. */
export function mixed(from: Color, to: Color, share: number): Color {
  const channel = (index: 0 | 1 | 2) => from[index] + (to[index] - from[index]) * share;
  return [channel(0), channel(1), channel(2)];
}
