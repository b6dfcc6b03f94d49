import { open, type RootDatabase } from 'lmdb';
import { systemClock } from '../clock/system-clock.ts';
import { join } from 'node:path';
import { watchPresence } from '../files/presence.ts';
import { makeDataDirectory } from './data-directory.ts';
import { LimitCounters, type CountRow } from './limit-counters.ts';
import { LmdbTable } from './lmdb-table.ts';
import { ensureLmdbRoom } from '../files/lmdb-room.ts';
import { swapRecordIn, type RecordRow } from './record-swap.ts';
import type { Claim, StateStore } from './state-store.ts';
import { withinTime } from './store-failure.ts';
import type { StoreLog } from './store-log.ts';
import { storeTime, type StoreClock } from './store-time.ts';
import { StoreWrites } from './store-writes.ts';

export interface EmbeddedStoreOptions {
  /** Folder of its files; created if missing. Must be on a local disk: the files are mapped into memory. */
  readonly directory: string;
  readonly log?: StoreLog;
  readonly clock?: StoreClock;
}

export interface EmbeddedStore extends StateStore {
  /** Deletes some of the expired rows, as a timer does every minute. @returns How many. */
  sweep(): Promise<number>;
}

const sweepEveryMs = 60_000;
/** Most rows of each table that one sweep deletes, so that it blocks no request for long. */
const sweepRowsMax = 2_000;
const storeGone =
  'DATA_DIR was removed or replaced while the gateway runs: its idempotency keys, counts and secret are lost when it ends; put the folder back, or restart the gateway now';
/** After a write that failed, LMDB's own close waits forever for the disk. */
const closeMs = 500;

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
  const { directory, log, clock = systemClock } = options;
  const time = storeTime(clock);
  const root = await openRoot(directory);
  const presence = watchPresence([join(directory, 'data.mdb')], () => log?.warn({}, storeGone));
  const records = new LmdbTable<RecordRow>(root, 'records');
  const counts = new LmdbTable<CountRow>(root, 'counts');
  const limits = new LimitCounters({
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    counts,
  });
  const writes = new StoreWrites(root, { clock, log });
  const swept = (table: LmdbTable<RecordRow> | LmdbTable<CountRow>) =>
    table.sweep(time.earliestMs(), sweepRowsMax);
  const sweep = () => writes.run(() => swept(records) + swept(counts));
  const timer = setInterval(() => void sweep().catch(() => 0), sweepEveryMs).unref();
  const areCounted = (claims: readonly Claim[]) => claims.some(({ kind }) => kind === 'count');
  return {
    sweep,
    isShared: false,
    durability: 'machine',
    swapRecord: (key, expected, next) =>
      writes.run(() => swapRecordIn(records, { key, expected, next }, time), next),
    async takeClaims(claims) {
      const work = () => limits.takeClaims(claims);
      return areCounted(claims) ? await writes.run(work) : work();
    },
    async returnClaims(claims) {
      const work = () => limits.returnClaims(claims);
      if (areCounted(claims)) await writes.run(work);
      else work();
    },
    announce: () => Promise.resolve(1),
    endAnnouncement: () => Promise.resolve(),
    async close() {
      clearInterval(timer);
      presence.close();
      await withinTime(closeMs, () => root.close()).catch(() => undefined);
    },
  };
}

async function openRoot(directory: string): Promise<RootDatabase> {
  await makeDataDirectory(directory);
  try {
    await ensureLmdbRoom(directory);
    // Batches of a turn are committed by a promise of their own, whose failure no one could hear.
    return open({ path: directory, noSubdir: false, maxDbs: 8, eventTurnBatching: false });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`DATA_DIR: the files in ${directory} cannot be opened: ${reason}`, {
      cause: error,
    });
  }
}
