import { expect, test } from 'vitest';
import { isBlank } from '../../src/text/blank.ts';

test.each([
  '',
  ' ',
  '\u3000\n',
  '\u200b\u200d',
  '\u0301',
  '\ufeff',
  '\u2800',
  '\u{e0100}',
  '\u00ad',
])('%j is blank', (text) => {
  expect(isBlank(text)).toBe(true);
});

test.each(['a', ' a', '\u0301a', '-', '猫', '😀', '\u{1f468}\u200d\u{1f467}', '\u200e0'])(
  '%j is not blank',
  (text) => {
    expect(isBlank(text)).toBe(false);
  },
);
