import { describe, expect, it } from 'vitest';
import { byteRangeFromHeader, ifRangeHolds, matchesETag } from '../../src/http/conditional.ts';

describe('byteRangeFromHeader', () => {
  it.each([
    ['bytes=0-99', { from: 0, to: 99 }],
    ['bytes=0-0', { from: 0, to: 0 }],
    ['bytes=990-', { from: 990, to: 999 }],
    ['bytes=990-5000', { from: 990, to: 999 }],
    ['bytes=-10', { from: 990, to: 999 }],
    ['bytes=-5000', { from: 0, to: 999 }],
    ['BYTES=1-2', { from: 1, to: 2 }],
  ])('reads %s', (range, expected) => {
    expect(byteRangeFromHeader(range, 1000)).toEqual(expected);
  });

  it.each([undefined, 'items=0-1', 'bytes=0-1,5-9', 'none', 'bytes=0-0, -1'])(
    'sends the whole image for %s',
    (range) => {
      expect(byteRangeFromHeader(range, 1000)).toBe('whole');
    },
  );

  it.each([
    'bytes=1000-',
    'bytes=5-4',
    'bytes=-0',
    'bytes=-',
    'bytes=a-b',
    'bytes=',
    'bytes=1-2-3',
    'bytes=99999999999999999999-',
  ])('can not satisfy %s', (range) => {
    expect(byteRangeFromHeader(range, 1000)).toBe('unsatisfiable');
  });
});

describe('matchesETag', () => {
  it.each(['"a"', 'W/"a"', '"b", "a"', '*', ' "a" ', 'W/"b" , W/"a"'])('%s has "a"', (header) => {
    expect(matchesETag(header, '"a"')).toBe(true);
    expect(matchesETag(header, 'W/"a"')).toBe(true);
  });

  it.each([undefined, '', '"b"', 'a', '"A"'])('%s does not', (header) => {
    expect(matchesETag(header, '"a"')).toBe(false);
  });
});

describe('ifRangeHolds', () => {
  it('compares strongly', () => {
    expect(ifRangeHolds(undefined, '"a"')).toBe(true);
    expect(ifRangeHolds('"a"', '"a"')).toBe(true);
    expect(ifRangeHolds('W/"a"', '"a"')).toBe(false);
    expect(ifRangeHolds('Wed, 21 Oct 2015 07:28:00 GMT', '"a"')).toBe(false);
  });
});
