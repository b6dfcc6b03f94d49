import type { Timestamp } from '@bufbuild/protobuf/wkt';

/** The end of the year 9999: RFC 3339 and protobuf's Timestamp know no later one. */
const latestMs = Date.UTC(10_000, 0) - 1;

/** Milliseconds since 1970; undefined when absent, not positive, or later than the year 9999. */
export function millisecondsFromTimestamp(timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = Number(timestamp.seconds) * 1000 + Math.trunc(timestamp.nanos / 1e6);
  return ms > 0 && ms <= latestMs ? ms : undefined;
}
