import { css, mixed, type Palette } from './palette.ts';
import type { SeededNumbers } from './seeded-numbers.ts';

/** Where a picture is painted: pixels, and what with. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly palette: Palette;
  readonly numbers: SeededNumbers;
}

const layers = 6;
const stepsPerLayer = 96;

/** How a ridge looks from afar. */
export type Terrain = 'hills' | 'mountains' | 'sea' | 'city' | 'forest';

/** Sky, sun or moon, and layers of land that fade with distance. */
export function landscape(canvas: Canvas, terrain: Terrain): string {
  return sky(canvas) + range(canvas, terrain);
}

/** The sky with its light, alone. */
export function sky(canvas: Canvas): string {
  const { width, height, palette, numbers } = canvas;
  const size = Math.min(width, height);
  const x = numbers.between(0.22, 0.78) * width;
  const y = numbers.between(0.2, 0.4) * height;
  const radius = size * numbers.between(0.07, 0.12);
  const light = css(palette.light);
  return `
<defs>
  <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${css(palette.skyTop)}"/>
    <stop offset="0.75" stop-color="${css(palette.skyBottom)}"/>
  </linearGradient>
  <radialGradient id="glow">
    <stop offset="0" stop-color="${light}" stop-opacity="0.75"/>
    <stop offset="0.35" stop-color="${light}" stop-opacity="0.22"/>
    <stop offset="1" stop-color="${light}" stop-opacity="0"/>
  </radialGradient>
</defs>
<rect width="${width}" height="${height}" fill="url(#sky)"/>
${palette.isNight ? stars(canvas) : clouds(canvas)}
<circle cx="${x}" cy="${y}" r="${radius * 5}" fill="url(#glow)"/>
<circle cx="${x}" cy="${y}" r="${radius}" fill="${light}"/>`;
}

/** Points of light, denser towards the top. */
export function stars({ width, height, numbers }: Canvas): string {
  const count = Math.round((width * height) / 5_500);
  return Array.from({ length: count }, () => {
    const x = numbers.next() * width;
    const y = numbers.next() ** 1.4 * height;
    const radius = 0.5 + numbers.next() ** 5 * 2.6;
    const opacity = numbers.between(0.25, 0.95);
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${radius.toFixed(2)}" fill="#fff" opacity="${opacity.toFixed(2)}"/>`;
  }).join('');
}

/** Long thin veils, in the colour of the horizon. */
function clouds({ width, height, palette, numbers }: Canvas): string {
  return Array.from({ length: 7 }, () => {
    const x = numbers.between(-0.1, 1.1) * width;
    const y = numbers.between(0.06, 0.5) * height;
    const length = numbers.between(0.12, 0.34) * width;
    const color = css(mixed(palette.skyBottom, palette.light, numbers.next()));
    const opacity = numbers.between(0.16, 0.42).toFixed(2);
    const thickness = length * numbers.between(0.035, 0.07);
    return `<ellipse cx="${x.toFixed(0)}" cy="${y.toFixed(0)}" rx="${length.toFixed(0)}" ry="${thickness.toFixed(0)}" fill="${color}" opacity="${opacity}"/>`;
  }).join('');
}

function range(canvas: Canvas, terrain: Terrain): string {
  const { height, palette } = canvas;
  const far = mixed(palette.skyBottom, palette.ground, 0.12);
  return Array.from({ length: layers }, (_, layer) => {
    const nearness = layer / (layers - 1);
    const top = height * (0.5 + 0.36 * nearness ** 1.15);
    const color = css(mixed(far, palette.ground, nearness ** 0.9));
    return `<path d="${outline(canvas, terrain, { top, nearness })}" fill="${color}"/>`;
  }).join('');
}

interface Layer {
  readonly top: number;
  /** 0 at the horizon, 1 in front. */
  readonly nearness: number;
}

function outline(canvas: Canvas, terrain: Terrain, layer: Layer): string {
  const { width, height } = canvas;
  const points = terrain === 'city' ? skyline(canvas, layer) : ridge(canvas, terrain, layer);
  const line = points.map(([x, y]) => `L${x.toFixed(1)} ${y.toFixed(1)}`).join('');
  return `M0 ${height}${line}L${width} ${height}Z`;
}

type Point = readonly [x: number, y: number];

function ridge(
  { width, height, numbers }: Canvas,
  terrain: Terrain,
  { top, nearness }: Layer,
): Point[] {
  const roughness = { hills: 0.3, mountains: 0.22, sea: 0.08, city: 0, forest: 0.35 }[terrain];
  const swing =
    height *
    (terrain === 'mountains' ? 0.15 : terrain === 'sea' ? 0.014 : 0.065) *
    (1.15 - 0.6 * nearness);
  const waves = Array.from({ length: 5 }, (_, octave) => ({
    frequency: (terrain === 'sea' ? 6 : 1.1) * 1.9 ** octave * numbers.between(0.75, 1.25),
    phase: numbers.between(0, 2 * Math.PI),
    strength: (0.35 + 0.65 * roughness) ** octave,
  }));
  const total = waves.reduce((sum, { strength }) => sum + strength, 0);
  return Array.from({ length: stepsPerLayer + 1 }, (_, step) => {
    const x = step / stepsPerLayer;
    const y = waves.reduce((sum, { frequency, phase, strength }) => {
      const wave = Math.sin(2 * Math.PI * frequency * x + phase);
      // Folding a wave at its middle makes peaks of its crests.
      return sum + strength * (terrain === 'mountains' ? 1 - 2 * Math.abs(wave) : wave);
    }, 0);
    const tree =
      terrain === 'forest'
        ? (step % 2) * height * 0.03 * (0.4 + nearness) * numbers.between(0.5, 1.3)
        : 0;
    return [x * width, top - (swing * y) / total - tree] as const;
  });
}

function skyline({ width, height, numbers }: Canvas, { top, nearness }: Layer): Point[] {
  const points: Point[] = [];
  let x = 0;
  while (x < width) {
    const blockWidth = width * numbers.between(0.018, 0.055) * (0.7 + nearness * 0.8);
    const blockTop = top - height * numbers.next() ** 2 * 0.26 * (1.1 - 0.5 * nearness);
    points.push([x, blockTop]);
    if (numbers.next() < 0.12) {
      const middle = x + blockWidth / 2;
      points.push(
        [middle - 1, blockTop],
        [middle, blockTop - height * 0.05],
        [middle + 1, blockTop],
      );
    }
    points.push([x + blockWidth, blockTop]);
    x += blockWidth;
  }
  return points;
}
