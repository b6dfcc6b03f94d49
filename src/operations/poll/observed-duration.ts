import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { TrackedOperation } from './tracked-operation.ts';

/** A read later than that after its moment shows when a caller came by, not when the work was done. */
const onTimeMs = 2_000;
/** An operation that was older when this process found it has an age that only wall clocks know. */
const foundAgeMsMax = 10_000;

/**
 * How long an operation took that was just found done: as the upstream reports
 * it, else half way between the last time it was seen running and now.
 *
 * A first look that finds it done says only "sooner than this", so it counts as
 * a little sooner; that lets the schedule find its way down.
 *
 * @returns Undefined when it can't be known.
 */
export function durationMsOf(
  tracked: TrackedOperation,
  operation: Operation,
  elapsedMs: number,
): number | undefined {
  const { ms: ageMs, followedMs } = tracked.age(elapsedMs);
  const { ranForMs } = tracked;
  const { createdAt, modifiedAt } = operation;
  if (createdAt !== undefined && modifiedAt !== undefined) {
    const reportedMs =
      Number(modifiedAt.seconds - createdAt.seconds) * 1000 +
      (modifiedAt.nanos - createdAt.nanos) / 1e6;
    if (reportedMs >= ranForMs && reportedMs <= ageMs) return reportedMs;
  }
  const foundAgeMs = ageMs - followedMs;
  if (foundAgeMs > foundAgeMsMax || -tracked.dueInMs(elapsedMs) > onTimeMs) return undefined;
  return ranForMs === 0 ? ageMs * 0.9 : foundAgeMs + (ranForMs + followedMs) / 2;
}
