import fc from 'fast-check';
import { expect, it } from 'vitest';
import { waitSecondsOf } from '../../src/http/openai-patience.ts';

it.each([
  ['600', 280],
  ['282', 280],
  ['100', 98],
  ['10', 8],
  ['4', 3.2],
  ['1', 0.8],
  ['0', 0],
  ['59.5', 57.5],
  ['0.5', 0.4],
  ['1e2', 98],
  ['1e-05', 8e-6],
])('of a patience of %s s, %s s are used', (patience, waitS) => {
  expect(waitSecondsOf({ 'x-stainless-timeout': patience })).toBeCloseTo(waitS, 6);
  // As Python's client writes it.
  expect(waitSecondsOf({ 'x-stainless-read-timeout': patience })).toBeCloseTo(waitS, 6);
});

it.each(['', 'None', 'inf', 'nan', '-1', '1,2', '0x10', '1e999', '60 s', ' '])(
  'a patience of %j counts as absent',
  (patience) => {
    expect(waitSecondsOf({ 'x-stainless-timeout': patience })).toBe(280);
    expect(
      waitSecondsOf({ 'x-stainless-timeout': patience, 'x-stainless-read-timeout': '10' }),
    ).toBe(8);
  },
);

it('without a patience the longest wait is used', () => {
  expect(waitSecondsOf({})).toBe(280);
});

it('is never longer than the patience, nor negative, whatever the header says', () => {
  const patience = fc.oneof(fc.double({ noNaN: true }).map(String), fc.string());
  fc.assert(
    fc.property(patience, (text) => {
      const waitS = waitSecondsOf({ 'x-stainless-timeout': text });
      expect(waitS).toBeGreaterThanOrEqual(0);
      expect(waitS).toBeLessThanOrEqual(280);
      if (/^[0-9.]+$/.test(text) && waitS !== 280) {
        expect(waitS).toBeLessThanOrEqual(Number(text));
      }
    }),
    { numRuns: 2_000 },
  );
});
