import { describe, expect, it } from 'vitest';
import { preferenceApplied, preferencesFromHeader } from '../../src/http/prefer.ts';

const none = { waitS: undefined, respondAsync: false, handling: undefined };

describe('preferencesFromHeader', () => {
  it.each([
    ['wait=10', { ...none, waitS: 10 }],
    ['wait=0', { ...none, waitS: 0 }],
    ['wait="7"', { ...none, waitS: 7 }],
    ['WAIT = 5', { ...none, waitS: 5 }],
    ['wait=3600', { ...none, waitS: 60 }],
    ['wait=99999999999999999999999', { ...none, waitS: 60 }],
    ['respond-async, wait=3', { ...none, waitS: 3, respondAsync: true }],
    ['handling=lenient', { ...none, handling: 'lenient' }],
    ['handling=strict; foo=1, wait=2; bar', { ...none, handling: 'strict', waitS: 2 }],
    ['wait=1, wait=9', { ...none, waitS: 1 }],
  ])('reads %s', (header, expected) => {
    expect(preferencesFromHeader(header)).toEqual(expected);
  });

  it.each([
    '',
    'wait=-1',
    'wait=1.5',
    'wait=NaN',
    'wait=Infinity',
    'wait',
    'handling=odd',
    '=,;"',
    'waiting=3',
  ])('ignores %s', (header) => {
    expect(preferencesFromHeader(header)).toEqual(none);
  });

  it('reads several header lines as one list', () => {
    expect(preferencesFromHeader(['wait=4', 'respond-async'])).toEqual({
      ...none,
      waitS: 4,
      respondAsync: true,
    });
  });
});

describe('preferenceApplied', () => {
  it('names what was followed', () => {
    expect(preferenceApplied({ waitS: 4, handling: 'lenient' })).toBe('wait=4, handling=lenient');
    expect(preferenceApplied({ respondAsync: true })).toBe('respond-async');
    expect(preferenceApplied({})).toBeUndefined();
  });
});
