import type { Database, RootDatabase } from 'lmdb';
import { LmdbKeyRows } from './lmdb-key-rows.ts';
import { LmdbOperatorRows } from './lmdb-operator-rows.ts';
import { openLmdbRoot } from './lmdb-root.ts';
import type { KeyRow, OperationKey } from './operation-key.ts';
import { recordSchema, type OperationRecord, type OperationState } from './operation-record.ts';
import type {
  InsertResult,
  LostImages,
  OperationStore,
  OwnerRow,
  QueueLimits,
  SpentChange,
} from './operation-store.ts';
import { dayBefore } from './spent-day.ts';
import { agreedStoreId } from './store-id.ts';

/** How many operations of an owner are queued; an owner without any has no entry. */
type QueuedByOwner = Readonly<Record<string, number>>;

interface MetaRows {
  readonly schema: number;
  readonly storeId: string;
  readonly owner: OwnerRow;
  readonly queued: QueuedByOwner;
}

/** Above this part of the queue, an owner may hold no more than an equal share of it. */
const unsharedRatio = 0.5;
/** How long counts of images a day are kept. */
const daysKept = 7;

/**
 * The operations of one machine, in LMDB files. Several processes may open the
 * same directory.
 *
 * @throws Error that names the directory when its files can't be opened, or are of a newer program.
 */
export async function openLmdbOperationStore(directory: string): Promise<OperationStore> {
  const root = await openLmdbRoot(directory);
  const store = new LmdbOperationStore(root);
  await store.begin(directory);
  return store;
}

class LmdbOperationStore implements OperationStore {
  readonly #root: RootDatabase;
  readonly #records: Database<OperationRecord, string>;
  /** Unfinished operations by time of acceptance. */
  readonly #unfinished: Database<0, [number, string]>;
  /** Ended operations by time of their end. */
  readonly #ended: Database<0, [number, string]>;
  readonly #meta: Database<unknown, string>;
  readonly #keys: LmdbKeyRows;
  readonly #operator: LmdbOperatorRows;
  #id = '';

  constructor(root: RootDatabase) {
    this.#root = root;
    this.#records = root.openDB({ name: 'operations', encoding: 'json' });
    this.#unfinished = root.openDB({ name: 'unfinished', encoding: 'json' });
    this.#ended = root.openDB({ name: 'ended', encoding: 'json' });
    this.#meta = root.openDB({ name: 'meta', encoding: 'json' });
    this.#keys = new LmdbKeyRows(root);
    this.#operator = new LmdbOperatorRows(this.#meta);
  }

  /** Reads the store's own facts, or writes those of a new store. */
  async begin(directory: string): Promise<void> {
    await this.#write(() => {
      const schema = this.#metaOf('schema');
      if (schema !== undefined && schema > recordSchema) {
        throw new Error(
          `the operations were written by a newer version (schema ${schema}, this one reads ${recordSchema})`,
        );
      }
      this.#id = agreedStoreId(directory, this.#metaOf('storeId'));
      this.#putMeta('schema', recordSchema);
      this.#putMeta('storeId', this.#id);
    });
  }

  get id(): string {
    return this.#id;
  }

  insert(
    record: OperationRecord,
    { queuedMax }: QueueLimits,
    key?: OperationKey,
  ): Promise<InsertResult> {
    return this.#write(() => {
      const refusal = key && this.#keys.refusalOf(key);
      if (refusal !== undefined) return refusal;
      const queued = this.#metaOf('queued') ?? {};
      const total = totalOf(queued);
      if (total >= queuedMax) return 'queue_full';
      const own = queued[record.owner] ?? 0;
      const owners = Object.keys(queued).length + (own === 0 ? 1 : 0);
      if (total >= queuedMax * unsharedRatio && owners > 1 && own >= queuedMax / owners) {
        return 'share_full';
      }
      this.#put(undefined, record);
      if (key !== undefined) this.#keys.accept(key, record);
      return 'inserted';
    });
  }

  keyRow(hash: string): KeyRow | undefined {
    return this.#keys.get(hash);
  }

  settleKey(hash: string, nowMs: number): Promise<KeyRow | 'keys_full'> {
    return this.#write(() => this.#keys.settle(hash, nowMs));
  }

  removeKeys(writtenBeforeMs: number, countMax: number): Promise<number> {
    return this.#write(() => this.#keys.removeOldest(writtenBeforeMs, countMax));
  }

  get(id: string): OperationRecord | undefined {
    return this.#records.get(id);
  }

  change(
    id: string,
    change: (record: OperationRecord) => OperationRecord | undefined,
    epoch: number | undefined,
    spent?: SpentChange,
  ): Promise<OperationRecord | undefined> {
    return this.#write(() => {
      if (epoch !== undefined && this.#metaOf('owner')?.epoch !== epoch) return undefined;
      if (spent?.by === 1 && this.spentOn(spent.backend, spent.day) >= spent.max) return undefined;
      const before = this.#records.get(id);
      const after = before && change(before);
      if (before === undefined || after === undefined) return undefined;
      this.#put(before, after);
      if (spent !== undefined) this.#count(spent);
      return after;
    });
  }

  spentOn(backend: string, day: string): number {
    return (this.#meta.get(spentKey(backend, day)) as number | undefined) ?? 0;
  }

  unfinished(): readonly OperationRecord[] {
    return this.#recordsOf([...this.#unfinished.getKeys()]);
  }

  get counts() {
    return {
      queued: totalOf(this.#metaOf('queued') ?? {}),
      unfinished: this.#unfinished.getKeysCount(),
      ended: this.#ended.getKeysCount(),
    };
  }

  get lost(): LostImages {
    return this.#operator.lost;
  }

  get paused(): readonly string[] {
    return this.#operator.paused;
  }

  isPaused(backend: string): boolean {
    return this.#operator.isPaused(backend);
  }

  async setPaused(isPaused: boolean, backend?: string): Promise<void> {
    await this.#write(() => this.#operator.setPaused(isPaused, backend));
  }

  *ended(endedBeforeMs: number): Iterable<OperationRecord> {
    for (const [, id] of this.#ended.getKeys({ end: [endedBeforeMs, ''] })) {
      const record = this.#records.get(id);
      if (record !== undefined) yield record;
    }
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#write(() => {
      for (const id of ids) {
        const record = this.#records.get(id);
        if (record?.state !== 'done') continue;
        void this.#ended.remove([record.modifiedAtMs, id]);
        void this.#records.remove(id);
      }
    });
  }

  takeOwnership(
    owner: Omit<OwnerRow, 'epoch'>,
    isOver: (row: OwnerRow) => boolean,
  ): Promise<number | undefined> {
    return this.#write(() => {
      const last = this.#metaOf('owner');
      if (last !== undefined && !isOver(last)) return undefined;
      const epoch = (last?.epoch ?? 0) + 1;
      this.#putMeta('owner', { ...owner, epoch });
      return epoch;
    });
  }

  heartbeat(epoch: number, heartbeatMs: number): Promise<boolean> {
    return this.#write(() => {
      const owner = this.#metaOf('owner');
      if (owner?.epoch !== epoch) return false;
      this.#putMeta('owner', { ...owner, heartbeatMs });
      return true;
    });
  }

  async giveUpOwnership(epoch: number): Promise<void> {
    await this.#write(() => {
      const owner = this.#metaOf('owner');
      if (owner?.epoch === epoch)
        this.#putMeta('owner', { ...owner, processName: '', heartbeatMs: Number.MAX_SAFE_INTEGER });
    });
  }

  async close(): Promise<void> {
    await this.#root.close();
  }

  #count({ backend, day, by }: SpentChange): void {
    const before = this.spentOn(backend, day);
    void this.#meta.put(spentKey(backend, day), Math.max(0, before + by));
    if (before > 0) return;
    const range = {
      start: spentKey(backend, ''),
      end: spentKey(backend, dayBefore(day, daysKept)),
    };
    for (const old of this.#meta.getKeys(range)) void this.#meta.remove(old);
  }

  /** Writes a record with its places in the queue count and the indexes. */
  #put(before: OperationRecord | undefined, after: OperationRecord): void {
    if (before !== undefined) void this.#indexOf(before).remove(placeOf(before));
    void this.#indexOf(after).put(placeOf(after), 0);
    void this.#records.put(after.id, after);
    this.#operator.countLoss(before, after);
    const change = queuedCount(after.state) - queuedCount(before?.state);
    if (change === 0) return;
    const { [after.owner]: own = 0, ...others } = this.#metaOf('queued') ?? {};
    const left = own + change;
    this.#putMeta('queued', left > 0 ? { ...others, [after.owner]: left } : others);
  }

  #indexOf({ state }: OperationRecord): Database<0, [number, string]> {
    return state === 'done' ? this.#ended : this.#unfinished;
  }

  #recordsOf(places: readonly [number, string][]): readonly OperationRecord[] {
    return places.flatMap(([, id]) => this.#records.get(id) ?? []);
  }

  #metaOf<Name extends keyof MetaRows>(name: Name): MetaRows[Name] | undefined {
    return this.#meta.get(name) as MetaRows[Name] | undefined;
  }

  #putMeta<Name extends keyof MetaRows>(name: Name, row: MetaRows[Name]): void {
    void this.#meta.put(name, row);
  }

  /** One transaction, durable when it resolves. Writes that wait at the same time share one flush. */
  async #write<Result>(work: () => Result): Promise<Result> {
    try {
      return await this.#root.transaction(work);
    } catch (error) {
      // LMDB rejects a second promise with the cause, which ends the process unless it is heard.
      const { commitError } = error as { commitError?: Promise<never> };
      throw await (commitError?.catch((cause: unknown) => cause) ?? error);
    }
  }
}

/** Row of the images that were counted for a backend on a day. */
function spentKey(backend: string, day: string): string {
  return `spent ${backend} ${day}`;
}

function placeOf(record: OperationRecord): [number, string] {
  return [record.state === 'done' ? record.modifiedAtMs : record.acceptedAtMs, record.id];
}

function queuedCount(state: OperationState | undefined): number {
  return state === 'queued' ? 1 : 0;
}

function totalOf(queued: QueuedByOwner): number {
  return Object.values(queued).reduce((sum, count) => sum + count, 0);
}
