import { hasGlyph } from './font-coverage.ts';

const prefix = 'local drawing';
const linesMax = 2;

/** The size of the image that a caption is written on. */
export interface CaptionedImage {
  readonly width: number;
  readonly height: number;
  /** The side of a square of the same area. */
  readonly side: number;
}

/** The caption at the foot of the image: the prompt in small letters, and that no model drew it. */
export function caption(text: string, seed: bigint, image: CaptionedImage): string {
  const { width, height, side } = image;
  const unit = Math.min(side, height * 1.4) / 1024;
  const fontSize = 29 * unit;
  const small = 15.5 * unit;
  const margin = 44 * unit;
  // A letter of DejaVu Serif is a little more than half as wide as it is high.
  const lineCharacters = Math.max(8, Math.floor((width - 2 * margin) / (fontSize * 0.6)));
  const lines = wrapped(drawable(text), lineCharacters);
  const written = lines.map((line, index) => {
    const y = height - margin - small * 1.9 - (lines.length - 1 - index) * fontSize * 1.3;
    return `<text x="${margin}" y="${y}" font-family="DejaVu Serif" font-style="italic" font-size="${fontSize}" fill="#fff" fill-opacity="0.95">${escaped(line)}</text>`;
  });
  return `
<defs><linearGradient id="foot" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity="0.6"/></linearGradient></defs>
<rect y="${height * 0.72}" width="${width}" height="${height * 0.28}" fill="url(#foot)"/>
${written.join('')}
<text x="${margin}" y="${height - margin}" font-family="DejaVu Sans" font-size="${small}" letter-spacing="${small * 0.05}" fill="#fff" fill-opacity="0.74">${prefix} · seed ${seed}</text>`;
}

/** Characters that show nothing, or change the direction of the line. */
const invisible = /[\p{C}\p{Variation_Selector}]/gu;
const isLetterOrMark = /[\p{L}\p{M}]/u;
const clusters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * The text as far as the fonts have glyphs for it. Nothing where a letter has
 * none: a part of a text in another script would be no caption. Other signs
 * without a glyph, such as emoji, are left out.
 */
function drawable(text: string): string {
  const visible = text.toWellFormed().replace(/\s+/g, ' ');
  let kept = '';
  for (const { segment } of clusters.segment(visible)) {
    const cluster = segment.replace(invisible, '');
    const isDrawable = [...cluster].every((sign) => hasGlyph(sign.codePointAt(0) ?? 0));
    if (isDrawable && !/^\p{M}/u.test(cluster)) kept += cluster;
    else if (isLetterOrMark.test(cluster)) return '';
  }
  return kept.replace(/ +/g, ' ').trim();
}

/** The first lines of a text, of whole words where they fit. */
function wrapped(text: string, lineCharacters: number): readonly string[] {
  const lines: string[] = [];
  let rest = [...text];
  while (rest.length > lineCharacters && lines.length < linesMax - 1) {
    const space = rest.slice(0, lineCharacters + 1).lastIndexOf(' ');
    const end = space > lineCharacters / 3 ? space : lineCharacters;
    lines.push(rest.slice(0, end).join('').trim());
    rest = [...rest.slice(end).join('').trimStart()];
  }
  const last = rest.length > lineCharacters ? [...rest.slice(0, lineCharacters - 1), '…'] : rest;
  return rest.length === 0 ? lines : [...lines, last.join('')];
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
