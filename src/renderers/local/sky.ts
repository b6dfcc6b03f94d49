import { pieces, px, type Canvas, type Light } from './canvas.ts';
import { css, mixed } from './palette.ts';

/** The position and size of the sun or the moon. */
export function lightOf({ width, height, side, numbers }: Canvas): Light {
  return {
    x: numbers.between(0.22, 0.78) * width,
    y: numbers.between(0.2, 0.36) * height,
    radius: Math.min(side, height * 1.3) * numbers.between(0.06, 0.095),
  };
}

/** The sky with the sun and clouds, or with the moon and stars. */
export function sky(canvas: Canvas, { x, y, radius }: Light): string {
  const { width, height, palette } = canvas;
  const light = css(palette.light);
  return `
<defs>
  <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
    <stop offset="0" stop-color="${css(palette.skyTop)}"/>
    <stop offset="0.4" stop-color="${css(mixed(palette.skyTop, palette.skyBottom, 0.52))}"/>
    <stop offset="0.7" stop-color="${css(palette.skyBottom)}"/>
  </linearGradient>
  <radialGradient id="glow">
    <stop offset="0" stop-color="${light}" stop-opacity="0.7"/>
    <stop offset="0.16" stop-color="${light}" stop-opacity="0.4"/>
    <stop offset="0.4" stop-color="${light}" stop-opacity="0.13"/>
    <stop offset="1" stop-color="${light}" stop-opacity="0"/>
  </radialGradient>
  <linearGradient id="veil"><stop offset="0" stop-color="#fff" stop-opacity="0"/><stop offset="0.5" stop-color="#fff" stop-opacity="1"/><stop offset="1" stop-color="#fff" stop-opacity="0"/></linearGradient>
</defs>
<rect width="${width}" height="${height}" fill="url(#sky)"/>
${palette.isNight ? stars(canvas) : ''}
<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius * 6.5)}" fill="url(#glow)"/>
<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}" fill="${light}"/>
${palette.isNight ? craters(canvas, { x, y, radius }) : clouds(canvas) + birds(canvas)}`;
}

/** Points of light, denser towards the top. */
export function stars({ width, height, numbers }: Canvas): string {
  return pieces((width * height) / 3_800, () => {
    const x = numbers.next() * width;
    const y = numbers.next() ** 1.4 * height;
    const radius = 0.5 + numbers.next() ** 6 * 2.9;
    const opacity = numbers.between(0.25, 0.95);
    return `<circle cx="${px(x)}" cy="${px(y)}" r="${radius.toFixed(2)}" fill="#fff" opacity="${opacity.toFixed(2)}"/>`;
  });
}

function craters({ palette, numbers }: Canvas, { x, y, radius }: Light): string {
  const shade = css(mixed(palette.light, palette.skyBottom, 0.5));
  return pieces(7, () => {
    const angle = numbers.between(0, 2 * Math.PI);
    const distance = radius * 0.72 * Math.sqrt(numbers.next());
    const size = radius * numbers.between(0.06, 0.22);
    return `<circle cx="${px(x + distance * Math.cos(angle))}" cy="${px(y + distance * Math.sin(angle))}" r="${px(size)}" fill="${shade}" opacity="0.28"/>`;
  });
}

/** Clouds: groups of long thin ellipses that fade at both ends. */
function clouds({ width, height, numbers }: Canvas): string {
  return pieces(4, () => {
    const x = numbers.between(-0.05, 1.05) * width;
    const y = numbers.between(0.07, 0.44) * height;
    const length = numbers.between(0.16, 0.32) * width;
    return pieces(4, (index) => {
      const opacity = numbers.between(0.12, 0.34).toFixed(2);
      const thin = length * numbers.between(0.02, 0.05);
      const left = x + length * numbers.between(-0.5, 0.5);
      return `<ellipse cx="${px(left)}" cy="${px(y + index * thin * 1.1)}" rx="${px(length * numbers.between(0.5, 1.1))}" ry="${px(thin)}" fill="url(#veil)" opacity="${opacity}"/>`;
    });
  });
}

function birds({ width, height, side, palette, numbers }: Canvas): string {
  const x = numbers.between(0.15, 0.85) * width;
  const y = numbers.between(0.2, 0.4) * height;
  const color = css(mixed(palette.ground, palette.skyTop, 0.25));
  return pieces(numbers.between(3, 7), (index) => {
    const span = side * numbers.between(0.006, 0.012);
    const left = x + index * side * numbers.between(0.018, 0.034);
    const top = y + side * numbers.between(-0.028, 0.028);
    const wing = (direction: number) =>
      `q${px(span / 2)} ${px(direction * span * 0.62)} ${px(span)} 0`;
    return `<path d="M${px(left - span)} ${px(top - span * 0.2)}${wing(-1)}${wing(-1)}" fill="none" stroke="${color}" stroke-width="${px(side * 0.0018)}" stroke-linecap="round" opacity="0.75"/>`;
  });
}
