import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** The latest time a Date can hold. */
const dateMsMax = 8.64e15;

/** Milliseconds since 1970; undefined when absent, not positive, or later than a Date can hold. */
export function millisecondsFromTimestamp(timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6);
  return ms > 0 && ms <= dateMsMax ? ms : undefined;
}
