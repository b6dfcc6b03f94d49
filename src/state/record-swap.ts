import type {
  RecordState,
  RecordVersion,
  RecordWrite,
  StoredRecord,
  SwapResult,
} from './state-store.ts';
import type { StoreTime } from './store-time.ts';
import type { Table } from './tables.ts';

/** A record in a table. Times are of the store's clock. */
export interface RecordRow {
  readonly state: RecordState;
  readonly fence: number;
  readonly fingerprint: string;
  readonly data: string;
  readonly leaseUntilMs: number;
  /** Length of the lease: more than that is never left of it. Absent in rows of older versions. */
  readonly leaseMs?: number;
  readonly goneAtMs: number;
}

export interface RecordSwap {
  readonly key: string;
  readonly expected: RecordVersion | undefined;
  readonly next: RecordWrite;
}

/** The compare-and-set of `StateStore.swapRecord`, on a table that no one else changes during the call. */
export function swapRecordIn(
  table: Table<RecordRow>,
  { key, expected, next }: RecordSwap,
  time: StoreTime,
): SwapResult {
  const found = liveRecord(table, key, time);
  if (found?.state !== expected?.state || found?.fence !== expected?.fence) {
    return { swapped: false, record: found };
  }
  const { state, fingerprint, data, leaseMs } = next;
  const before = expected?.fence ?? 0;
  // From the clock, so that a key whose record expired never gets an old fence again.
  const fence = next.fence === 'take' ? Math.max(time.latestMs(), before + 1) : before;
  const row = { state, fence, fingerprint, data };
  const leaseUntilMs = time.steadyMs() + leaseMs;
  table.put(key, { ...row, leaseUntilMs, leaseMs, goneAtMs: time.latestMs() + next.keepMs });
  return { swapped: true, record: { ...row, leaseLeftMs: leaseMs } };
}

/** The record under a key; undefined when there is none or it has expired. */
export function liveRecord(
  table: Table<RecordRow>,
  key: string,
  time: StoreTime,
): StoredRecord | undefined {
  const row = table.get(key);
  if (row === undefined || row.goneAtMs <= time.earliestMs()) return undefined;
  const { state, fence, fingerprint, data, leaseMs = Infinity } = row;
  const leaseLeftMs = Math.min(row.leaseUntilMs - time.steadyMs(), leaseMs);
  const leaseUntilMs = time.steadyMs() + leaseLeftMs;
  // Written by a process whose clock was ahead: from here on the lease runs by this one's.
  if (leaseUntilMs < row.leaseUntilMs) table.put(key, { ...row, leaseUntilMs });
  return { state, fence, fingerprint, data, leaseLeftMs };
}
