import { pieces, px, type Canvas, type Light } from './canvas.ts';
import { farShore } from './land.ts';
import { colorFromHsl, css, mixed } from './palette.ts';

/** Water up to the horizon, with reflected light. */
export function sea(canvas: Canvas, light: Light): string {
  const { width, height, palette } = canvas;
  const horizon = height * 0.57;
  const water = colorFromHsl(206, 0.55, palette.isNight ? 0.12 : 0.3);
  const near = mixed(mixed(water, palette.ground, 0.45), palette.skyTop, 0.12);
  return `
<defs><linearGradient id="water" x1="0" y1="0" x2="0" y2="1">
  <stop offset="0" stop-color="${css(mixed(palette.skyBottom, water, 0.35))}"/>
  <stop offset="0.35" stop-color="${css(mixed(palette.skyBottom, water, 0.72))}"/>
  <stop offset="1" stop-color="${css(near)}"/>
</linearGradient></defs>
${farShore(canvas, horizon)}
<rect y="${px(horizon)}" width="${width}" height="${px(height - horizon)}" fill="url(#water)"/>
${waves(canvas, horizon)}${glitter(canvas, light, horizon)}`;
}

/** Thin wave crests, longer and farther apart in the foreground. */
function waves({ width, height, side, palette, numbers }: Canvas, horizon: number): string {
  const crest = css(mixed(palette.skyBottom, palette.light, 0.4));
  return pieces(width / 6, () => {
    const nearness = numbers.next() ** 0.8;
    const y = horizon + (height - horizon) * nearness;
    const length = side * (0.008 + 0.05 * nearness) * numbers.between(0.6, 1.5);
    return lens(numbers.next() * width, y, length, {
      fill: crest,
      opacity: numbers.between(0.06, 0.2),
    });
  });
}

/** The reflection of the sun or the moon on the water. */
function glitter(canvas: Canvas, { x, radius }: Light, horizon: number): string {
  const { height, palette, numbers } = canvas;
  const fill = css(palette.light);
  return pieces(90, (index) => {
    const nearness = index / 90;
    const y = horizon + (height - horizon) * nearness ** 1.35 + 2;
    const spread = radius * (0.5 + 1.5 * nearness);
    const left = x + spread * (numbers.next() + numbers.next() - 1);
    const length = radius * numbers.between(0.25, 0.7) * (0.7 + 0.8 * nearness);
    return lens(left, y, length, { fill, opacity: 0.62 * (1 - nearness) + 0.06 });
  });
}

/** A flat lens shape. */
function lens(
  x: number,
  y: number,
  length: number,
  { fill, opacity }: { readonly fill: string; readonly opacity: number },
): string {
  const bulge = Math.max(0.7, length * 0.045);
  return `<path d="M${px(x - length)} ${px(y)}Q${px(x)} ${px(y - bulge)} ${px(x + length)} ${px(y)}Q${px(x)} ${px(y + bulge)} ${px(x - length)} ${px(y)}Z" fill="${fill}" opacity="${opacity.toFixed(2)}"/>`;
}
