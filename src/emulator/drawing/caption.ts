const prefix = 'local drawing';
const wordsCharactersMax = 90;

/** Where a caption is written. */
export interface CaptionPlace {
  readonly width: number;
  readonly height: number;
}

/** The prompt in small letters at the foot of the picture, and that no model drew it. */
export function caption(text: string, seed: bigint, { width, height }: CaptionPlace): string {
  const unit = Math.min(width, height) / 1024;
  const fontSize = Math.max(14, 30 * unit);
  const margin = Math.max(16, 44 * unit);
  // DejaVu Serif is about half as wide as it is high.
  const lineCharacters = Math.max(10, Math.floor((width - 2 * margin) / (fontSize * 0.56)));
  const line = cut(printable(text), Math.min(wordsCharactersMax, lineCharacters));
  const small = fontSize * 0.52;
  return `
<defs><linearGradient id="foot" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#000" stop-opacity="0.55"/></linearGradient></defs>
<rect y="${height * 0.78}" width="${width}" height="${height * 0.22}" fill="url(#foot)"/>
<text x="${margin}" y="${height - margin - small * 1.5}" font-family="DejaVu Serif" font-style="italic" font-size="${fontSize}" fill="#fff" fill-opacity="0.94">${escaped(line)}</text>
<text x="${margin}" y="${height - margin}" font-family="DejaVu Sans" font-size="${small}" letter-spacing="${small * 0.06}" fill="#fff" fill-opacity="0.72">${prefix} · seed ${seed}</text>`;
}

/** Without what XML can't hold and what would turn the line around. */
function printable(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]+/g,
      ' ',
    )
    .replace(/\s+/g, ' ')
    .trim();
}

function cut(text: string, charactersMax: number): string {
  const characters = [...text];
  if (characters.length <= charactersMax) return text;
  return `${characters
    .slice(0, charactersMax - 1)
    .join('')
    .trimEnd()}…`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
