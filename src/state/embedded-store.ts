import { open } from 'lmdb';
import { makeDataDirectory } from './data-directory.ts';
import { LimitCounters, type CountRow } from './limit-counters.ts';
import { LmdbTable } from './lmdb-table.ts';
import { swapRecordIn, type RecordRow } from './record-swap.ts';
import type { Claim, StateStore } from './state-store.ts';
import { withinTime } from './store-failure.ts';

export interface EmbeddedStoreOptions {
  /** Folder of its files; created if missing. Must be on a local disk: the files are mapped into memory. */
  readonly directory: string;
  /** Milliseconds since 1970: wall time, because records outlive the process. */
  readonly nowMs?: () => number;
  /** Monotonic time in milliseconds. */
  readonly elapsedMs?: () => number;
}

export interface EmbeddedStore extends StateStore {
  /** Deletes some of the expired rows, as a timer does every minute. @returns How many. */
  sweep(): Promise<number>;
}

/** Longest time for one call. Much longer than a flush takes: a slower disk counts as failed. */
const timeoutMs = 2_000;
const sweepEveryMs = 60_000;
/** Most rows of each table that one sweep deletes, so that it blocks no request for long. */
const sweepRowsMax = 2_000;

/**
 * The store of one gateway: LMDB files in the data directory. Writes survive
 * `kill -9`; durable writes survive a loss of power too.
 *
 * A second process on the same directory, such as the old one during a restart,
 * shares records and counts; rates and slots are each process's own.
 *
 * @throws Error that names DATA_DIR when the files can't be opened.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const { directory, nowMs = Date.now, elapsedMs = () => performance.now() } = options;
  const root = await openRoot(directory);
  const records = new LmdbTable<RecordRow>(root, 'records');
  const counts = new LmdbTable<CountRow>(root, 'counts');
  const limits = new LimitCounters({ nowMs, elapsedMs, counts });
  const write = <Result>(work: () => Result, { durable }: { readonly durable: boolean }) =>
    withinTime(timeoutMs, async () => {
      // The files are locked while `work` runs, so no other process writes in between.
      const result = await root.transaction(work);
      if (durable) await root.flushed;
      return result;
    });
  const sweep = () => {
    const swept = (table: { sweep(nowMs: number, rowsMax: number): number }) =>
      table.sweep(nowMs(), sweepRowsMax);
    return write(() => swept(records) + swept(counts), { durable: false });
  };
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
    endAnnouncement: () => Promise.resolve(),
    async close() {
      clearInterval(timer);
      await root.close();
    },
  };
}

async function openRoot(directory: string) {
  await makeDataDirectory(directory);
  try {
    return open({ path: directory, noSubdir: false, maxDbs: 8 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`DATA_DIR: the files in ${directory} cannot be opened: ${reason}`, {
      cause: error,
    });
  }
}
