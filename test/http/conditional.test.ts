import { describe, expect, it } from 'vitest';
import {
  byteRangeFromHeader,
  ifRangeHolds,
  matchesETag,
  preconditionOf,
  timeFromHttpDate,
} from '../../src/http/conditional.ts';

describe('byteRangeFromHeader', () => {
  it.each([
    ['bytes=0-99', { from: 0, to: 99 }],
    ['bytes=0-0', { from: 0, to: 0 }],
    ['bytes=990-', { from: 990, to: 999 }],
    ['bytes=990-5000', { from: 990, to: 999 }],
    ['bytes=-10', { from: 990, to: 999 }],
    ['bytes=-5000', { from: 0, to: 999 }],
    ['BYTES=1-2', { from: 1, to: 2 }],
    ['bytes=1-2,', { from: 1, to: 2 }],
    ['bytes=, ,-10', { from: 990, to: 999 }],
    ['bytes= 1-2', { from: 1, to: 2 }],
  ])('reads %s', (range, expected) => {
    expect(byteRangeFromHeader(range, 1000)).toEqual(expected);
  });

  it.each([undefined, 'items=0-1', 'bytes=0-1,5-9', 'none', 'bytes=0-0, -1', 'bytes=0-1,,5-9'])(
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
    'bytes=,',
    'bytes=0-1, a-b',
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

const finished = 'Sun, 06 Nov 1994 08:49:37 GMT';
const finishedMs = 784_111_777_000;
/** Half a second after the date that can be sent of it. */
const validators = { etag: '"a"', lastModifiedMs: finishedMs + 500 };

describe('ifRangeHolds', () => {
  it.each([undefined, '"a"', ' "a" ', finished, 'Sunday, 06-Nov-94 08:49:37 GMT'])(
    'is true for %s',
    (ifRange) => {
      expect(ifRangeHolds(ifRange, validators)).toBe(true);
    },
  );

  it.each(['W/"a"', '"b"', '*', 'Sun, 06 Nov 1994 08:49:38 GMT', '1994', ''])(
    'is false for %s',
    (ifRange) => {
      expect(ifRangeHolds(ifRange, validators)).toBe(false);
    },
  );
});

describe('timeFromHttpDate', () => {
  it.each([finished, 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
    'reads %s',
    (text) => {
      expect(timeFromHttpDate(text)).toBe(finishedMs);
    },
  );

  it.each([
    ...[undefined, '', '1994', '784111777', '1994-11-06T08:49:37Z', 'tomorrow', '-1'],
    ...[
      'Sun, 06 Nov 1994 08:49:37 PST',
      'Sun, 06 Nov 1994 08:49:37',
      'Sun, 06 Nox 1994 08:49:37 GMT',
    ],
    'Sun, 06 Nov 1994 25:49:37 GMT',
  ])('does not take %s for a date', (text) => {
    expect(timeFromHttpDate(text)).toBeUndefined();
  });
});

describe('preconditionOf', () => {
  const before = 'Sun, 06 Nov 1994 08:49:36 GMT';
  const after = 'Mon, 07 Nov 1994 00:00:00 GMT';

  it.each([
    ['send', {}],
    ['not modified', { 'if-none-match': '"a"' }],
    ['not modified', { 'if-none-match': 'W/"a", "b"' }],
    ['not modified', { 'if-none-match': '*' }],
    ['send', { 'if-none-match': '"b"' }],
    ['not modified', { 'if-modified-since': finished }],
    ['not modified', { 'if-modified-since': after }],
    ['not modified', { 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }],
    ['send', { 'if-modified-since': before }],
    ['send', { 'if-modified-since': '2030' }],
    ['send', { 'if-none-match': '"b"', 'if-modified-since': after }],
    ['not modified', { 'if-none-match': '"a"', 'if-modified-since': before }],
    ['send', { 'if-match': '"a"' }],
    ['send', { 'if-match': '"b", "a"' }],
    ['send', { 'if-match': '*' }],
    ['failed', { 'if-match': '"b"' }],
    ['failed', { 'if-match': 'W/"a"' }],
    ['failed', { 'if-match': '' }],
    ['send', { 'if-unmodified-since': finished }],
    ['send', { 'if-unmodified-since': after }],
    ['send', { 'if-unmodified-since': 'yesterday' }],
    ['failed', { 'if-unmodified-since': before }],
    ['send', { 'if-match': '"a"', 'if-unmodified-since': before }],
    ['failed', { 'if-match': '"b"', 'if-none-match': '"a"' }],
    ['not modified', { 'if-match': '"a"', 'if-none-match': '"a"' }],
  ] as const)('is %s for %o', (expected, headers) => {
    expect(preconditionOf(headers, validators)).toBe(expected);
  });

  it('never compares a weak ETag strongly, nor a date where there is none', () => {
    const weak = { etag: 'W/"a"' };
    expect(preconditionOf({ 'if-match': 'W/"a"' }, weak)).toBe('failed');
    expect(preconditionOf({ 'if-modified-since': after }, weak)).toBe('send');
    expect(preconditionOf({ 'if-unmodified-since': before }, weak)).toBe('send');
  });
});
