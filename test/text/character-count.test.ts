import fc from 'fast-check';
import { expect, test } from 'vitest';
import { characterCount } from '../../src/text/character-count.ts';

test.each([
  ['plain letters', 'a red cat', 9],
  ['accents, composed', '\u00e9'.repeat(500), 500],
  ['accents, decomposed', 'e\u0301'.repeat(500), 500],
  ['й, as a Mac types it', '\u0438\u0306'.repeat(2_000), 2_000],
  ['Korean in single letters', '\u1112\u1161\u11ab'.repeat(3_000), 3_000],
  ['Vietnamese with two marks', 'e\u0323\u0302'.repeat(1_000), 1_000],
  ['emoji beyond the first plane', '😀'.repeat(700), 700],
  ['a mark that nothing composes with', 'x\u0301'.repeat(10), 20],
])('counts %s', (_, text, count) => {
  expect(characterCount(text)).toBe(count);
});

test('counts texts of every kind as their whole normal form', () => {
  const units = fc.constantFrom(
    'a',
    'e',
    '\u0301',
    '\u0323',
    '\u1112',
    '\u1161',
    '\u11ab',
    '😀',
    'ж',
  );
  const texts = fc
    .array(units, { minLength: 900, maxLength: 3_000 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(texts, (text) => {
      // A run of marks without a beginning is not what people write.
      const readable = text.replace(
        /([\u0301\u0323\u1161\u11ab]{30})[\u0301\u0323\u1161\u11ab]+/g,
        '$1',
      );
      expect(characterCount(readable)).toBe([...readable.normalize('NFC')].length);
    }),
    { numRuns: 200 },
  );
});

test('takes time in proportion to a text, whatever marks it has', () => {
  const marks = '\u0301\u0323'.repeat(16_000);
  characterCount(marks);
  const before = process.cpuUsage();
  characterCount(marks);
  const { user } = process.cpuUsage(before);
  expect(user / 1000).toBeLessThan(200);
});
