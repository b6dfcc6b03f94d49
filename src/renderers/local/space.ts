import { pieces, px, type Canvas } from './canvas.ts';
import { colorFromHsl, css, mixed } from './palette.ts';
import { stars } from './sky.ts';

/** Outer space: nebulae, stars, and a planet with a ring and a moon. */
export function space(canvas: Canvas): string {
  const { width, height, palette } = canvas;
  const dark = mixed(palette.skyTop, [0, 0, 0], 0.6);
  return `<rect width="${width}" height="${height}" fill="${css(dark)}"/>${nebulae(canvas)}${stars(canvas)}${planet(canvas)}`;
}

function planet(canvas: Canvas): string {
  const { width, height, palette, numbers } = canvas;
  const x = numbers.between(0.62, 0.74) * width;
  const y = numbers.between(0.3, 0.4) * height;
  const radius = Math.min(width, height) * numbers.between(0.14, 0.2);
  const dark = mixed(palette.skyTop, [0, 0, 0], 0.75);
  const lit = mixed(palette.accent, palette.light, 0.55);
  const tilt = numbers.between(-26, -10).toFixed(0);
  const ring = css(mixed(palette.accent, palette.light, 0.6));
  const half = (sweep: 0 | 1) =>
    [1.5, 1.68, 1.86].map(
      (reach, index) =>
        `<path d="M${px(-radius * reach)} 0A${px(radius * reach)} ${px(radius * reach * 0.24)} 0 0 ${sweep} ${px(radius * reach)} 0" stroke-width="${px(radius * (index === 1 ? 0.1 : 0.035))}" opacity="${index === 1 ? 0.6 : 0.4}"/>`,
    );
  const ringHalf = (sweep: 0 | 1) =>
    `<g transform="translate(${px(x)} ${px(y)}) rotate(${tilt})" fill="none" stroke="${ring}">${half(sweep).join('')}</g>`;
  return `
<defs>
  <radialGradient id="planet" cx="0.3" cy="0.28" r="0.85">
    <stop offset="0" stop-color="${css(lit)}"/>
    <stop offset="0.42" stop-color="${css(palette.accent)}"/>
    <stop offset="1" stop-color="${css(mixed(palette.accent, dark, 0.92))}"/>
  </radialGradient>
  <radialGradient id="air"><stop offset="0.78" stop-color="${css(lit)}" stop-opacity="0.42"/><stop offset="1" stop-color="${css(lit)}" stop-opacity="0"/></radialGradient>
  <clipPath id="disc"><circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}"/></clipPath>
</defs>
<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius * 1.22)}" fill="url(#air)"/>
${ringHalf(1)}
<circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}" fill="url(#planet)"/>
<g clip-path="url(#disc)"><g transform="translate(${px(x)} ${px(y)}) rotate(${tilt})">${bands(canvas, radius)}</g></g>
${ringHalf(0)}
<circle cx="${px(x - radius * 2.1)}" cy="${px(y + radius * 1.05)}" r="${px(radius * 0.15)}" fill="url(#planet)"/>`;
}

/** The cloud bands of a planet. */
function bands({ palette, numbers }: Canvas, radius: number): string {
  const fill = css(mixed(palette.accent, palette.light, 0.7));
  return pieces(6, () => {
    const y = radius * numbers.between(-0.85, 0.85);
    return `<ellipse cy="${px(y)}" rx="${px(radius * 1.1)}" ry="${px(radius * numbers.between(0.02, 0.09))}" fill="${fill}" opacity="${numbers.between(0.06, 0.2).toFixed(2)}"/>`;
  });
}

function nebulae({ width, height, palette, numbers }: Canvas): string {
  return pieces(9, (index) => {
    const far = mixed(palette.accent, colorFromHsl(numbers.between(190, 320), 0.6, 0.45), 0.55);
    const color = css(index % 2 === 0 ? palette.skyBottom : far);
    const radius = Math.max(width, height) * numbers.between(0.14, 0.36);
    // Along a rising diagonal, like a galaxy in the sky.
    const along = numbers.next();
    const x = along * width;
    const y = (0.95 - 0.8 * along + numbers.between(-0.22, 0.22)) * height;
    return `<defs><radialGradient id="n${index}"><stop offset="0" stop-color="${color}" stop-opacity="0.4"/><stop offset="1" stop-color="${color}" stop-opacity="0"/></radialGradient></defs><circle cx="${px(x)}" cy="${px(y)}" r="${px(radius)}" fill="url(#n${index})"/>`;
  });
}

/** The frame of a window, for subjects inside a spaceship. */
export function porthole({ width, height, side, palette }: Canvas): string {
  const hull = mixed(palette.ground, colorFromHsl(222, 0.14, 0.3), 0.6);
  const rim = css(mixed(palette.light, colorFromHsl(220, 0.1, 0.45), 0.6));
  const margin = side * 0.075;
  const bottom = height * 0.8;
  const round = Math.min(side * 0.2, (bottom - margin) / 2);
  const pane = (grow: number) =>
    `x="${px(margin - grow)}" y="${px(margin - grow)}" width="${px(width - 2 * (margin - grow))}" height="${px(bottom - margin + 2 * grow)}" rx="${px(round + grow)}"`;
  const bolts = pieces(9, (index) => {
    const x = margin + round + ((width - 2 * (margin + round)) * index) / 8;
    return [margin - side * 0.035, bottom + side * 0.035]
      .map(
        (y) =>
          `<circle cx="${px(x)}" cy="${px(y)}" r="${px(side * 0.006)}" fill="#000" opacity="0.35"/>`,
      )
      .join('');
  });
  return `
<defs>
  <linearGradient id="hull" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="${css(mixed(hull, [1, 1, 1], 0.16))}"/><stop offset="1" stop-color="${css(mixed(hull, [0, 0, 0], 0.45))}"/></linearGradient>
  <mask id="pane"><rect width="${width}" height="${height}" fill="#fff"/><rect ${pane(0)} fill="#000"/></mask>
</defs>
<rect width="${width}" height="${height}" fill="url(#hull)" mask="url(#pane)"/>
<rect ${pane(side * 0.016)} fill="none" stroke="#000" stroke-opacity="0.35" stroke-width="${px(side * 0.02)}"/>
<rect ${pane(0)} fill="none" stroke="${rim}" stroke-width="${px(side * 0.014)}"/>${bolts}`;
}
