import { describe, expect, it } from 'vitest';
import { caption } from '../../../src/renderers/local/caption.ts';

/** The lines of the prompt in a caption, without the line that says what drew the image. */
function linesOf(prompt: string): readonly string[] {
  const svg = caption(prompt, 7n, { width: 1024, height: 1024, side: 1024 });
  const texts = Array.from(svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g), ([, text = '']) => text);
  expect(texts.at(-1)).toBe('local drawing · seed 7');
  return texts.slice(0, -1);
}

describe('the caption', () => {
  it.each([
    'a red cat',
    'кошка в звездолёте',
    'Ελληνικά',
    'שלום עולם',
    'قطة حمراء',
    'կատու',
    'კატა',
    'café e\u0301clair',
    '3 × 5 = 15 €',
  ])('shows %s, for which the fonts have glyphs', (prompt) => {
    expect(linesOf(prompt)).toEqual([prompt]);
  });

  it.each([
    ['Thai', 'แมวสีแดงในยานอวกาศ'],
    ['Hindi', 'अंतरिक्ष यान में लाल बिल्ली'],
    ['Japanese', '宇宙船の中の赤い猫、夕方'],
    ['Chinese', '飞船里的红猫'],
    ['Korean', '우주선 안의 빨간 고양이'],
    ['Tamil', 'சிவப்பு பூனை'],
    ['Bengali', 'লাল বিড়াল'],
    ['Khmer', 'ឆ្មា'],
    ['Burmese', 'ကြောင်နီ'],
    ['Sinhala', 'රතු පූසා'],
    ['Ethiopic', 'ቀይ ድመት'],
    ['a mix', 'a red cat 猫'],
    ['a mark alone', '\u0e35'],
  ])('shows no part of a prompt in %s, for which they have none', (_, prompt) => {
    expect(linesOf(prompt)).toEqual([]);
  });

  it.each([
    ['a cat with 🚀 and 🏳️‍🌈', 'a cat with and'],
    ['a cat、', 'a cat'],
    ['a\u202ecat\u200b', 'acat'],
    ['a cat \u{1f468}\u200d\u{1f469}\u200d\u{1f467}!', 'a cat !'],
  ])('leaves out of %j what is no letter and has no glyph', (prompt, line) => {
    expect(linesOf(prompt)).toEqual([line]);
  });
});
