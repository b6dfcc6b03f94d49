import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The fonts that captions are written in; a glyph that one lacks is taken from the other. */
const files = ['DejaVuSerif-Italic.ttf', 'DejaVuSans.ttf'];

type Range = readonly [first: number, last: number];

let ranges: readonly Range[] | undefined;

/** The folder with the fonts' files. */
export function fontFolder(): string {
  const manifest = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json');
  return join(dirname(manifest), 'ttf');
}

/** Whether the caption's fonts have a glyph for a code point. Where none has, an empty box would be drawn. */
export function hasGlyph(codePoint: number): boolean {
  ranges ??= files.flatMap((file) => rangesOf(readFileSync(join(fontFolder(), file))));
  return ranges.some(([first, last]) => codePoint >= first && codePoint <= last);
}

/** The code points of a font, from its table `cmap` in format 12: https://learn.microsoft.com/typography/opentype/spec/cmap */
function rangesOf(font: Buffer): readonly Range[] {
  const cmap = tableAt(font, 'cmap');
  const subtables = font.readUInt16BE(cmap + 2);
  for (let index = 0; index < subtables; index += 1) {
    const at = cmap + font.readUInt32BE(cmap + 4 + 8 * index + 4);
    if (font.readUInt16BE(at) === 12) return groupsAt(font, at);
  }
  throw new Error('the font has no character map of format 12');
}

function tableAt(font: Buffer, tag: string): number {
  const tables = font.readUInt16BE(4);
  for (let index = 0; index < tables; index += 1) {
    const record = 12 + 16 * index;
    if (font.toString('latin1', record, record + 4) === tag) return font.readUInt32BE(record + 8);
  }
  throw new Error(`the font has no table ${tag}`);
}

function groupsAt(font: Buffer, subtable: number): readonly Range[] {
  const count = font.readUInt32BE(subtable + 12);
  return Array.from({ length: count }, (_, index) => {
    const group = subtable + 16 + 12 * index;
    return [font.readUInt32BE(group), font.readUInt32BE(group + 4)] as const;
  });
}
