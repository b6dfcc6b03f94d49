import type {
  RecordState,
  RecordVersion,
  RecordWrite,
  StoredRecord,
  SwapResult,
} from './state-store.ts';
import type { Table } from './tables.ts';

/** A record in a table. Times are of the store's clock. */
export interface RecordRow {
  readonly state: RecordState;
  readonly fence: number;
  readonly fingerprint: string;
  readonly data: string;
  readonly leaseUntilMs: number;
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
  nowMs: number,
): SwapResult {
  const found = liveRecord(table, key, nowMs);
  if (found?.state !== expected?.state || found?.fence !== expected?.fence) {
    return { swapped: false, record: found };
  }
  const { state, fingerprint, data } = next;
  const before = expected?.fence ?? 0;
  // From the clock, so that a key whose record expired never gets an old fence again.
  const fence = next.fence === 'take' ? Math.max(nowMs, before + 1) : before;
  const row = { state, fence, fingerprint, data };
  table.put(key, { ...row, leaseUntilMs: nowMs + next.leaseMs, goneAtMs: nowMs + next.keepMs });
  return { swapped: true, record: { ...row, leaseLeftMs: next.leaseMs } };
}

/** The record under a key; undefined when there is none or it has expired. */
export function liveRecord(
  table: Table<RecordRow>,
  key: string,
  nowMs: number,
): StoredRecord | undefined {
  const row = table.get(key);
  if (row === undefined || row.goneAtMs <= nowMs) return undefined;
  const { state, fence, fingerprint, data } = row;
  return { state, fence, fingerprint, data, leaseLeftMs: row.leaseUntilMs - nowMs };
}
