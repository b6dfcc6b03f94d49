import { expect, test } from 'vitest';
import { placeOf } from '../../src/lifecycle/process-exit.ts';

test('an error is logged by name, code and frames, and so are its causes', () => {
  const cause = Object.assign(new RangeError('secret-1'), { code: 'ERR_SECRET' });
  const error = new Error('secret-2', { cause });
  const place = placeOf(error) as { stack: string[]; causes: { stack: string[] }[] };
  expect(place).toMatchObject({
    error: 'Error',
    causes: [{ error: 'RangeError', code: 'ERR_SECRET' }],
  });
  expect(place.stack[0]).toMatch(/^at .*process-exit\.test\.ts:/);
  expect(place.causes[0]?.stack[0]).toMatch(/^at .*process-exit\.test\.ts:/);
  expect(JSON.stringify(place)).not.toContain('secret-');
});

test.each([
  ['a message that looks like frames', new Error('x\n    at secret (file:1:1)\n    at secret')],
  ['a name that is prose', Object.assign(new Error('x'), { name: 'the secret was 5' })],
  ['a code that is prose', Object.assign(new Error('x'), { code: 'secret code' })],
  ['a text', 'secret'],
  ['an object', { message: 'secret' }],
  ['nothing', undefined],
])('nothing is quoted of %s', (_what, thrown) => {
  expect(JSON.stringify(placeOf(thrown))).not.toContain('secret');
});

test('a circle of causes is logged three times', () => {
  const error = new Error('x');
  error.cause = error;
  expect((placeOf(error) as { causes: unknown[] }).causes).toHaveLength(2);
});
