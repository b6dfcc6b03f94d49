import type { OperationRecord } from './operation-record.ts';

/*
 * Times in records are of the wall clock, because they outlive the process, and
 * that clock may have stepped since. So what is left of a time is never more than
 * what was given when the record was written.
 */

/** Milliseconds before which a queued operation is not rendered. */
export function dueInMs({ dueAtMs, modifiedAtMs }: OperationRecord, nowMs: number): number {
  return clamped(dueAtMs - nowMs, dueAtMs - modifiedAtMs);
}

/** Milliseconds for which an operation may still wait in the queue. */
export function deadlineLeftMs(
  { deadlineAtMs, acceptedAtMs }: OperationRecord,
  nowMs: number,
): number {
  return clamped(deadlineAtMs - nowMs, deadlineAtMs - acceptedAtMs);
}

function clamped(leftMs: number, givenMs: number): number {
  return Math.max(0, Math.min(leftMs, givenMs));
}
