import { describe, expect, it } from 'vitest';
import { isVisibleAscii } from '../../src/text/visible-ascii.ts';

describe('visible ASCII', () => {
  it.each(['a', '!~', 'uuid#17'])('is %j', (text) => {
    expect(isVisibleAscii(text)).toBe(true);
  });

  it.each(['', ' ', 'a b', 'a\n', 'a\u007f', 'ключ', 'a\u0000'])('is not %j', (text) => {
    expect(isVisibleAscii(text)).toBe(false);
  });

  it('is bounded where a bound is given', () => {
    expect([isVisibleAscii('abc', 3), isVisibleAscii('abcd', 3)]).toEqual([true, false]);
  });
});
