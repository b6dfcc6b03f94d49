import { pieces, px, type Canvas } from './canvas.ts';
import { css, mixed, type Color } from './palette.ts';

/** The kind of land. */
export type Terrain = 'hills' | 'mountains' | 'city' | 'forest';

interface Layer {
  readonly index: number;
  readonly top: number;
  /** 0 at the horizon, 1 in the foreground. */
  readonly nearness: number;
}

type Point = readonly [x: number, y: number];

const layers = 6;
const stepsPerLayer = 110;

/** Layers of land that fade with distance, with haze between them. */
export function land(canvas: Canvas, terrain: Terrain): string {
  const { height, palette } = canvas;
  const far = mixed(palette.skyBottom, palette.ground, 0.14);
  return pieces(layers, (index) => {
    const nearness = index / (layers - 1);
    const top = height * (0.5 + 0.36 * nearness ** 1.15);
    const color = mixed(far, palette.ground, nearness ** 0.9);
    const haze = mixed(color, palette.skyBottom, 0.42 * (1 - nearness));
    const layer = { index, top, nearness };
    return terrain === 'city'
      ? skyline(canvas, layer, color)
      : slope(canvas, layer, { color, haze, points: ridge(canvas, terrain, layer) });
  });
}

/** The nearest layer alone, for subjects that must not stand on water. */
export function nearShore(canvas: Canvas): string {
  const { height, palette } = canvas;
  const layer = { index: 8, top: height * 0.85, nearness: 1 };
  const haze = mixed(palette.ground, palette.skyBottom, 0.1);
  const points = ridge(canvas, 'hills', layer);
  return slope(canvas, layer, { color: haze, haze: palette.ground, points });
}

/** One layer of hills on the horizon. */
export function farShore(canvas: Canvas, horizon: number): string {
  const { height, palette } = canvas;
  const color = mixed(palette.skyBottom, palette.ground, 0.3);
  const layer = { index: 9, top: horizon - height * 0.012, nearness: 0.75 };
  const points = ridge(canvas, 'hills', layer).map(
    ([x, y]) => [x, Math.min(horizon, y + height * 0.012)] as const,
  );
  return `<path d="${outline(points, canvas.width, horizon)}" fill="${css(color)}"/>`;
}

function slope(
  { width, height }: Canvas,
  { index, top }: Layer,
  { color, haze, points }: { color: Color; haze: Color; points: readonly Point[] },
): string {
  return `
<defs><linearGradient id="l${index}" gradientUnits="userSpaceOnUse" x1="0" y1="${px(top - height * 0.08)}" x2="0" y2="${px(top + height * 0.14)}"><stop offset="0" stop-color="${css(color)}"/><stop offset="1" stop-color="${css(haze)}"/></linearGradient></defs>
<path d="${outline(points, width, height)}" fill="url(#l${index})"/>`;
}

function outline(points: readonly Point[], width: number, bottom: number): string {
  const line = points.map(([x, y]) => `L${px(x)} ${px(y)}`).join('');
  return `M0 ${px(bottom)}${line}L${width} ${px(bottom)}Z`;
}

function ridge(
  { width, height, numbers }: Canvas,
  terrain: Exclude<Terrain, 'city'>,
  { top, nearness }: Layer,
): Point[] {
  const swing = height * (terrain === 'mountains' ? 0.15 : 0.065) * (1.15 - 0.6 * nearness);
  const roughness = { hills: 0.16, mountains: 0.24, forest: 0.35 }[terrain];
  // A wide image shows more land, not stretched land.
  const stretch = Math.sqrt(width / height);
  const waves = Array.from({ length: 5 }, (_, octave) => ({
    frequency: 1.1 * stretch * 1.9 ** octave * numbers.between(0.75, 1.25),
    phase: numbers.between(0, 2 * Math.PI),
    strength: (0.35 + 0.65 * roughness) ** octave,
  }));
  const total = waves.reduce((sum, { strength }) => sum + strength, 0);
  const steps = Math.round(stepsPerLayer * stretch);
  return Array.from({ length: steps + 1 }, (_, step) => {
    const x = step / steps;
    const y = waves.reduce((sum, { frequency, phase, strength }) => {
      const wave = Math.sin(2 * Math.PI * frequency * x + phase);
      // The absolute value turns the crests of a wave into peaks.
      return sum + strength * (terrain === 'mountains' ? 1 - 2 * Math.abs(wave) : wave);
    }, 0);
    const tree =
      terrain === 'forest'
        ? (step % 2) * height * 0.032 * (0.4 + nearness) * numbers.between(0.5, 1.3)
        : 0;
    return [x * width, top - (swing * y) / total - tree] as const;
  });
}

/** A row of houses, some with a mast, and light in some windows. */
function skyline(canvas: Canvas, { top, nearness }: Layer, color: Color): string {
  const { width, height, side, palette, numbers } = canvas;
  let houses = `M0 ${height}`;
  let windows = '';
  const pane = side * (0.0035 + 0.0035 * nearness);
  for (let x = 0; x < width;) {
    const houseWidth = side * numbers.between(0.022, 0.06) * (0.7 + nearness * 0.8);
    const houseTop = top - height * numbers.next() ** 2 * 0.26 * (1.1 - 0.5 * nearness);
    houses += `L${px(x)} ${px(houseTop)}`;
    if (numbers.next() < 0.12) {
      const middle = x + houseWidth / 2;
      houses += `L${px(middle - 1)} ${px(houseTop)}L${px(middle)} ${px(houseTop - height * 0.05)}L${px(middle + 1)} ${px(houseTop)}`;
    }
    houses += `L${px(x + houseWidth)} ${px(houseTop)}`;
    for (let column = x + pane * 1.6; column < x + houseWidth - pane * 1.6; column += pane * 2.6) {
      for (
        let row = houseTop + pane * 2;
        row < Math.min(height * 0.84, top + side * 0.1);
        row += pane * 3.4
      ) {
        if (numbers.next() > 0.3) continue;
        windows += `M${px(column)} ${px(row)}h${px(pane)}v${px(pane * 1.5)}h${px(-pane)}z`;
      }
    }
    x += houseWidth;
  }
  const lit = css(mixed(palette.light, [1, 0.78, 0.4], palette.isNight ? 0.5 : 0.25));
  const opacity = (palette.isNight ? 0.25 + 0.6 * nearness : 0.1 + 0.2 * nearness).toFixed(2);
  return `<path d="${houses}L${width} ${height}Z" fill="${css(color)}"/><path d="${windows}" fill="${lit}" opacity="${opacity}"/>`;
}
