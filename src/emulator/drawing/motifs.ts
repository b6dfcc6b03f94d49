import { colorFromHsl, css, mixed } from './palette.ts';
import { stars, type Canvas } from './landscape.ts';

/** A picture of outer space: nebulae, stars and a planet with its shadow. */
export function space(canvas: Canvas): string {
  const { width, height, palette, numbers } = canvas;
  const size = Math.min(width, height);
  const x = numbers.between(0.55, 0.8) * width;
  const y = numbers.between(0.25, 0.45) * height;
  const radius = size * numbers.between(0.15, 0.22);
  const dark = mixed(palette.skyTop, [0, 0, 0], 0.6);
  const tilt = numbers.between(-28, -8).toFixed(0);
  const ring = css(mixed(palette.accent, palette.light, 0.55));
  return `
<defs>
  <radialGradient id="planet" cx="0.32" cy="0.3" r="0.85">
    <stop offset="0" stop-color="${css(mixed(palette.accent, palette.light, 0.5))}"/>
    <stop offset="0.45" stop-color="${css(palette.accent)}"/>
    <stop offset="1" stop-color="${css(mixed(palette.accent, dark, 0.88))}"/>
  </radialGradient>
</defs>
<rect width="${width}" height="${height}" fill="${css(dark)}"/>
${nebulae(canvas)}${stars(canvas)}
<circle cx="${x}" cy="${y}" r="${radius}" fill="url(#planet)"/>
<g transform="translate(${x} ${y}) rotate(${tilt})" fill="none" stroke="${ring}">
  <path d="M${-radius * 1.75} 0 A${radius * 1.75} ${radius * 0.42} 0 0 0 ${radius * 1.75} 0" stroke-width="${radius * 0.09}" opacity="0.8"/>
  <path d="M${-radius * 1.5} 0 A${radius * 1.5} ${radius * 0.34} 0 0 0 ${radius * 1.5} 0" stroke-width="${radius * 0.045}" opacity="0.5"/>
</g>`;
}

function nebulae({ width, height, palette, numbers }: Canvas): string {
  return Array.from({ length: 6 }, (_, index) => {
    const color = css(
      index % 2 === 0 ? palette.skyBottom : mixed(palette.accent, palette.skyTop, 0.25),
    );
    const radius = Math.max(width, height) * numbers.between(0.2, 0.42);
    const x = numbers.next() * width;
    const y = numbers.next() * height;
    return `<defs><radialGradient id="n${index}"><stop offset="0" stop-color="${color}" stop-opacity="0.42"/><stop offset="1" stop-color="${color}" stop-opacity="0"/></radialGradient></defs><circle cx="${x.toFixed(0)}" cy="${y.toFixed(0)}" r="${radius.toFixed(0)}" fill="url(#n${index})"/>`;
  }).join('');
}

/**
 * A cat that sits with its back half turned and looks at the light. Drawn in a
 * box of 200 × 260 with its feet at the bottom.
 */
const cat =
  'M62 92 C58 70 58 44 64 22 C76 30 86 40 92 48 C100 46 110 46 118 48 C124 40 134 30 146 22 C152 44 152 70 148 92 ' +
  'C146 106 140 116 132 122 C152 140 164 174 164 208 C164 226 162 242 158 256 L52 256 C48 242 46 226 46 208 ' +
  'C46 174 58 140 78 122 C70 116 64 106 62 92 Z';
const catTail =
  'M156 250 C196 252 206 214 188 190 C180 178 166 186 174 198 C184 214 174 234 150 236 Z';

/** A flower on a stem, in a box of 200 × 260. */
const stem = 'M97 258 C94 214 98 180 99 150 L105 150 C104 180 104 214 107 258 Z';

/** Something that stands in front, when the words name it. */
export function subject(canvas: Canvas, words: readonly string[]): string {
  const { width, height, numbers } = canvas;
  const scale = (Math.min(width, height) * 0.5) / 260;
  const x = numbers.between(0.18, 0.5) * width;
  const bottom = height * 0.9;
  const place = `translate(${x.toFixed(0)} ${(bottom - 258 * scale).toFixed(0)}) scale(${scale.toFixed(3)})`;
  if (has(words, /^(cat|kitten|кот|кош)/)) return `<g transform="${place}">${catShape(canvas)}</g>`;
  if (has(words, /^(flower|rose|tulip|цвет(ок|ы)|роз)/)) {
    return `<g transform="${place}">${flowerShape(canvas)}</g>`;
  }
  return '';
}

function has(words: readonly string[], pattern: RegExp): boolean {
  return words.some((word) => pattern.test(word));
}

function catShape({ palette }: Canvas): string {
  const fur = css(palette.accent);
  const shade = css(mixed(palette.accent, palette.ground, 0.55));
  const shine = css(mixed(palette.accent, palette.light, 0.45));
  return `
<ellipse cx="106" cy="257" rx="92" ry="9" fill="#000" opacity="0.3"/>
<path d="${catTail}" fill="${shade}"/>
<path d="${cat}" fill="${fur}"/>
<path d="M72 34 C80 42 86 48 90 56 L70 66 C69 54 70 44 72 34 Z M138 34 C130 42 124 48 120 56 L140 66 C141 54 140 44 138 34 Z" fill="${shade}"/>
<path d="M105 128 C84 148 74 178 76 254 L92 254 C90 206 96 168 105 150 C114 168 120 206 118 254 L134 254 C136 178 126 148 105 128 Z" fill="${shine}" opacity="0.35"/>
<g fill="#1b1b22"><ellipse cx="88" cy="82" rx="7" ry="8.5"/><ellipse cx="122" cy="82" rx="7" ry="8.5"/></g>
<g fill="#fff"><circle cx="90.5" cy="79" r="2.3"/><circle cx="124.5" cy="79" r="2.3"/></g>
<path d="M101 97 L109 97 L105 102 Z" fill="#e79aa0"/>
<path d="M105 102 C103 107 98 108 95 106 M105 102 C107 107 112 108 115 106" fill="none" stroke="#1b1b22" stroke-width="1.6" stroke-linecap="round"/>
<g stroke="${shine}" stroke-width="1.2" opacity="0.8" stroke-linecap="round"><path d="M84 99 L56 94 M84 103 L57 105 M126 99 L154 94 M126 103 L153 105"/></g>`;
}

function flowerShape({ palette }: Canvas): string {
  const petal = css(palette.accent);
  const edge = css(mixed(palette.accent, palette.light, 0.4));
  const petals = Array.from({ length: 9 }, (_, index) => {
    const angle = (index * 360) / 9;
    return `<path d="M0 0 C-26 -24 -20 -66 0 -78 C20 -66 26 -24 0 0 Z" fill="${index % 2 === 0 ? petal : edge}" transform="rotate(${angle})"/>`;
  }).join('');
  return `<path d="${stem}" fill="${css(mixed(palette.ground, colorFromHsl(130, 0.5, 0.3), 0.6))}"/><g transform="translate(102 110)">${petals}<circle r="19" fill="${css(palette.light)}"/></g>`;
}

/** Whether the words are about outer space. */
export function isSpace(words: readonly string[]): boolean {
  return has(words, /^(space|planet|galax|cosm|rocket|космо|космич|планет|галакт|ракет)/);
}

/** A window to look out of, for a subject that is inside something that flies. */
export function porthole(canvas: Canvas): string {
  const { width, height, palette } = canvas;
  const size = Math.min(width, height);
  const hull = css(mixed(palette.ground, colorFromHsl(220, 0.1, 0.3), 0.5));
  const rim = css(mixed(palette.light, colorFromHsl(220, 0.08, 0.5), 0.7));
  const x = width / 2;
  const y = height * 0.46;
  const radius = size * 0.42;
  return `
<path fill-rule="evenodd" fill="${hull}" d="M0 0H${width}V${height}H0Z M${x - radius} ${y}a${radius} ${radius} 0 1 0 ${radius * 2} 0a${radius} ${radius} 0 1 0 ${-radius * 2} 0Z"/>
<circle cx="${x}" cy="${y}" r="${radius}" fill="none" stroke="${rim}" stroke-width="${size * 0.022}"/>
<circle cx="${x}" cy="${y}" r="${radius * 1.07}" fill="none" stroke="#000" stroke-opacity="0.25" stroke-width="${size * 0.008}"/>`;
}
