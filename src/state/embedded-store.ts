import { mkdir } from 'node:fs/promises';
import { open } from 'lmdb';
import { LimitCounters, type CountRow } from './limit-counters.ts';
import { LmdbTable } from './lmdb-table.ts';
import { swapRecordIn, type RecordRow } from './record-swap.ts';
import type { Claim, StateStore } from './state-store.ts';
import { inTime } from './store-failure.ts';

export interface EmbeddedStoreOptions {
  /** Where its files lie; made when it isn't there. On a local disk: they are mapped into memory. */
  readonly directory: string;
  /** Milliseconds since 1970; of the wall clock, as records outlive the process. */
  readonly nowMs?: () => number;
}

export interface EmbeddedStore extends StateStore {
  /** Takes away some of the rows whose time is over, as it does by itself now and then. @returns How many. */
  sweep(): Promise<number>;
}

/** Much longer than a flush takes: a disk that needs more is as good as none. */
const timeoutMs = 2_000;
const sweepEveryMs = 60_000;
/** Rows of each table that one sweep takes away, so that it holds nobody up. */
const sweepRowsMax = 2_000;

/**
 * The store of one gateway: LMDB files in the data directory, safe against
 * `kill -9` and, where a write is durable, against loss of power.
 *
 * A second process on the same directory, such as the old one in a restart,
 * works on the same records and counts; rates and slots it has for itself.
 *
 * @throws Error that names DATA_DIR when the files can't be opened.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { directory, nowMs = Date.now } = options;
  const root = await rootOf(directory);
  const records = new LmdbTable<RecordRow>(root, 'records');
  const counts = new LmdbTable<CountRow>(root, 'counts');
  const limits = new LimitCounters(nowMs, counts);
  const write = <Result>(work: () => Result, { durable }: { readonly durable: boolean }) =>
    inTime(timeoutMs, async () => {
      // The lock on the files is held while `work` runs, so no other process gets in between.
      const result = await root.transaction(work);
      if (durable) await root.flushed;
      return result;
    });
  const sweep = () => {
    const swept = (table: { sweep(nowMs: number, rowsMax: number): number }) =>
      table.sweep(nowMs(), sweepRowsMax);
    return write(() => swept(records) + swept(counts), { durable: false });
  };
  // What is not swept now is swept a minute later.
  const timer = setInterval(() => void sweep().catch(() => 0), sweepEveryMs).unref();
  const areCounted = (claims: readonly Claim[]) => claims.some(({ kind }) => kind === 'count');
  return {
    sweep,
    isShared: false,
    durability: 'machine',
    swapRecord: (key, expected, next) =>
      write(() => swapRecordIn(records, { key, expected, next }, nowMs()), next),
    async takeClaims(claims) {
      const work = () => limits.takeClaims(claims);
      return areCounted(claims) ? await write(work, { durable: false }) : work();
    },
    async returnClaims(claims) {
      const work = () => limits.returnClaims(claims);
      if (areCounted(claims)) await write(work, { durable: false });
      else work();
    },
    announce: () => Promise.resolve(1),
    withdrawAnnouncement: () => Promise.resolve(),
    async close() {
      clearInterval(timer);
      await root.close();
    },
  };
}

async function rootOf(directory: string) {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return open({ path: directory, noSubdir: false, maxDbs: 8 });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`DATA_DIR: the files in ${directory} can not be opened: ${said}`, {
      cause: error,
    });
  }
}
