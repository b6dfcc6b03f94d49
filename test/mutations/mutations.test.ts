import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mutations } from './mutations.ts';

it.each(mutations)(
  'the line to change stands in its file once: $name',
  ({ file, right, wrong }) => {
    expect(readFileSync(file, 'utf8').split(right)).toHaveLength(2);
    expect(wrong).not.toBe(right);
  },
);

it.each(mutations)('the test that must notice is there: $name', ({ noticedBy }) => {
  expect(noticedBy.startsWith('simulate ') || existsSync(noticedBy)).toBe(true);
});
