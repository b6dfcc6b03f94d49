import { pieces, px, type Canvas } from './canvas.ts';
import { colorFromHsl, css, mixed } from './palette.ts';

/** The kind of subject in the foreground. */
export type Subject = 'cat' | 'flower' | 'boat' | 'rocket';

interface Place {
  /** The middle of the subject, in pixels. */
  readonly x: number;
  readonly bottom: number;
  readonly size: number;
}

/** A subject of a given height that stands at a given place. */
export function subject(canvas: Canvas, kind: Subject, { x, bottom, size }: Place): string {
  const scale = size / boxHeight;
  const place = `translate(${px(x - 105 * scale)} ${px(bottom - 258 * scale)}) scale(${scale.toFixed(3)})`;
  const shapes = { cat: catShape, flower: flowerShape, boat: boatShape, rocket: rocketShape };
  return `<g transform="${place}">${shapes[kind](canvas)}</g>`;
}

/** Every shape is drawn in a box of 210 × 260. */
const boxHeight = 260;

/** A sitting cat that looks at the viewer. */
const cat =
  'M62 92 C58 70 58 44 64 22 C76 30 86 40 92 48 C100 46 110 46 118 48 C124 40 134 30 146 22 C152 44 152 70 148 92 ' +
  'C146 106 140 116 132 122 C152 140 164 174 164 208 C164 226 162 242 158 256 L52 256 C48 242 46 226 46 208 ' +
  'C46 174 58 140 78 122 C70 116 64 106 62 92 Z';
const catTail =
  'M156 250 C196 252 206 214 188 190 C180 178 166 186 174 198 C184 214 174 234 150 236 Z';

function catShape({ palette }: Canvas): string {
  const fur = css(palette.accent);
  const shade = css(mixed(palette.accent, palette.ground, 0.55));
  const shine = css(mixed(palette.accent, palette.light, 0.45));
  const [red, green, blue] = palette.accent;
  const isDark = red + green + blue < 0.9;
  const eye = isDark ? '#f2c14e' : '#1b1b22';
  const line = isDark ? shine : '#1b1b22';
  return `
<ellipse cx="106" cy="257" rx="92" ry="9" fill="#000" opacity="0.3"/>
<path d="${catTail}" fill="${shade}"/>
<path d="${cat}" fill="${fur}"/>
<path d="M72 34 C80 42 86 48 90 56 L70 66 C69 54 70 44 72 34 Z M138 34 C130 42 124 48 120 56 L140 66 C141 54 140 44 138 34 Z" fill="${shade}"/>
<path d="M105 128 C84 148 74 178 76 254 L92 254 C90 206 96 168 105 150 C114 168 120 206 118 254 L134 254 C136 178 126 148 105 128 Z" fill="${shine}" opacity="0.3"/>
<g fill="${eye}"><ellipse cx="88" cy="82" rx="7" ry="8.5"/><ellipse cx="122" cy="82" rx="7" ry="8.5"/></g>
${isDark ? '<g fill="#111"><ellipse cx="88" cy="82" rx="2" ry="7"/><ellipse cx="122" cy="82" rx="2" ry="7"/></g>' : ''}
<g fill="#fff"><circle cx="90.5" cy="79" r="2.3"/><circle cx="124.5" cy="79" r="2.3"/></g>
<path d="M101 97 L109 97 L105 102 Z" fill="#e79aa0"/>
<path d="M105 102 C103 107 98 108 95 106 M105 102 C107 107 112 108 115 106" fill="none" stroke="${line}" stroke-width="1.6" stroke-linecap="round"/>
<g stroke="${shine}" stroke-width="1.2" opacity="0.8" stroke-linecap="round"><path d="M84 99 L56 94 M84 103 L57 105 M126 99 L154 94 M126 103 L153 105"/></g>`;
}

function flowerShape({ palette, numbers }: Canvas): string {
  const petal = css(palette.accent);
  const edge = css(mixed(palette.accent, palette.light, 0.4));
  const green = css(mixed(palette.ground, colorFromHsl(130, 0.5, 0.38), 0.75));
  const bloom = (x: number, y: number, scale: number) =>
    `<path d="M${x} ${y}Q${(x + 105) / 2 + 14} ${y + 90} 105 258" fill="none" stroke="${green}" stroke-width="${px(6 * scale)}" stroke-linecap="round"/>` +
    `<g transform="translate(${x} ${y}) scale(${scale}) rotate(${numbers.between(0, 40).toFixed(0)})">${pieces(12, (index) => `<path d="M0 0C-24 -24 -19 -62 0 -76C19 -62 24 -24 0 0Z" fill="${index % 2 === 0 ? petal : edge}" fill-opacity="0.92" transform="rotate(${index * 150})"/>`)}<circle r="17" fill="${css(palette.light)}"/><circle r="9" fill="${petal}" opacity="0.5"/></g>`;
  const leaf = (direction: number) =>
    `<path d="M105 240C${105 + direction * 20} 205 ${105 + direction * 60} 196 ${105 + direction * 84} 200C${105 + direction * 66} 226 ${105 + direction * 36} 240 105 246Z" fill="${green}"/>`;
  return leaf(1) + leaf(-1) + bloom(46, 130, 0.55) + bloom(168, 112, 0.62) + bloom(104, 74, 0.95);
}

function boatShape({ palette }: Canvas): string {
  const sail = css(mixed(palette.light, palette.accent, 0.18));
  const other = css(mixed(palette.accent, palette.light, 0.25));
  const hull = css(mixed(palette.ground, [0.12, 0.07, 0.05], 0.5));
  return `
<ellipse cx="106" cy="252" rx="104" ry="6" fill="#000" opacity="0.22"/>
<path d="M101 20 L105 20 L105 216 L101 216 Z" fill="${hull}"/>
<path d="M108 28 C150 90 172 150 180 206 L108 206 Z" fill="${sail}"/>
<path d="M98 44 C74 100 54 156 34 206 L98 206 Z" fill="${other}"/>
<path d="M105 20 L128 27 L105 34 Z" fill="${other}"/>
<path d="M12 216 L198 216 C190 240 178 250 164 252 L44 252 C30 248 18 236 12 216 Z" fill="${hull}"/>
<path d="M16 223 L195 223" stroke="${sail}" stroke-width="2.5" opacity="0.7"/>`;
}

function rocketShape({ palette }: Canvas): string {
  const body = css(mixed(palette.light, [0.92, 0.94, 0.98], 0.6));
  const shade = css(mixed(palette.light, palette.skyTop, 0.45));
  const paint = css(palette.accent);
  return `
<g transform="rotate(28 105 130)">
<path d="M92 196 C84 232 98 246 105 268 C112 246 126 232 118 196 Z" fill="#ffb545" opacity="0.95"/>
<path d="M98 196 C95 216 101 226 105 240 C109 226 115 216 112 196 Z" fill="#fff3c4"/>
<path d="M76 132 C58 148 52 176 54 204 L80 184 Z M134 132 C152 148 158 176 156 204 L130 184 Z" fill="${paint}"/>
<path d="M105 14 C132 44 142 92 136 148 L128 196 L82 196 L74 148 C68 92 78 44 105 14 Z" fill="${body}"/>
<path d="M105 14 C132 44 142 92 136 148 L128 196 L112 196 C124 130 122 60 105 14 Z" fill="${shade}" opacity="0.55"/>
<path d="M105 14 C118 28 127 46 132 66 C114 60 96 60 78 66 C83 46 92 28 105 14 Z" fill="${paint}"/>
<circle cx="105" cy="100" r="17" fill="${paint}"/><circle cx="105" cy="100" r="11.5" fill="#16324f"/>
<path d="M98 96 A9 9 0 0 1 108 91" stroke="#fff" stroke-width="2.4" fill="none" stroke-linecap="round" opacity="0.8"/></g>`;
}
