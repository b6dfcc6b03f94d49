import { create } from '@bufbuild/protobuf';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { timestampJson } from '../../src/translation/operation-json.ts';
import { millisecondsFromTimestamp } from '../../src/translation/timestamp.ts';

const msOf = (seconds: bigint, nanos = 0) =>
  millisecondsFromTimestamp(create(TimestampSchema, { seconds, nanos }));

test.each([
  ['the end of the year 9999', 253_402_300_799n, 999_999_999, '9999-12-31T23:59:59.999Z'],
  ['a whole second', 1_795_428_000n, 0, '2026-11-23T10:00:00Z'],
])('%s is written as RFC 3339 has it', (_, seconds, nanos, text) => {
  expect(timestampJson(msOf(seconds, nanos) ?? 0)).toBe(text);
});

test.each([
  ['the year 10000', 253_402_300_800n],
  ['a year of six digits', 8_640_000_000_000n],
  ['the last int64', 2n ** 63n - 1n],
  ['the year 1969', -1n],
  ['nothing', 0n],
])('a time in %s is as if it were not there', (_, seconds) => {
  expect(msOf(seconds)).toBeUndefined();
});
