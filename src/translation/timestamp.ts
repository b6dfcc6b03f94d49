import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** Milliseconds a Date can hold on either side of 1970. */
const dateMsMax = 8.64e15;

/** Milliseconds since 1970; undefined when absent, zero, or beyond what a date can say. */
export function millisecondsFromTimestamp(timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6);
  return ms > 0 && ms <= dateMsMax ? ms : undefined;
}
