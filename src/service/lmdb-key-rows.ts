import type { Database, RootDatabase } from 'lmdb';
import { keysMax, settledKeysMax, type KeyRow, type OperationKey } from './operation-key.ts';
import type { OperationRecord } from './operation-record.ts';

/** The rows of idempotency keys in LMDB, in order of their time. To be written inside a transaction of the store. */
export class LmdbKeyRows {
  readonly #rows: Database<KeyRow, string>;
  readonly #byTime: Database<0, [number, string]>;

  constructor(root: RootDatabase) {
    this.#rows = root.openDB({ name: 'keys', encoding: 'json' });
    this.#byTime = root.openDB({ name: 'keysByTime', encoding: 'json' });
  }

  get(hash: string): KeyRow | undefined {
    return this.#rows.get(hash);
  }

  /** What keeps an operation out that comes under the key. */
  refusalOf({ hash }: OperationKey): KeyRow | 'keys_full' | undefined {
    return this.get(hash) ?? (this.#count >= keysMax ? 'keys_full' : undefined);
  }

  /** The operation stands under the key from now on. */
  accept({ hash, fingerprint }: OperationKey, { id, acceptedAtMs }: OperationRecord): void {
    this.#put(hash, { operationId: id, fingerprint, atMs: acceptedAtMs });
  }

  /** None will ever stand under the key, unless one does. */
  settle(hash: string, nowMs: number): KeyRow | 'keys_full' {
    const known = this.get(hash);
    if (known !== undefined) return known;
    if (this.#count >= settledKeysMax) return 'keys_full';
    return this.#put(hash, { fingerprint: '', atMs: nowMs });
  }

  /** @returns How many were removed. */
  removeOldest(writtenBeforeMs: number, countMax: number): number {
    const old = [...this.#byTime.getKeys({ end: [writtenBeforeMs, ''], limit: countMax })];
    for (const place of old) {
      void this.#byTime.remove(place);
      void this.#rows.remove(place[1]);
    }
    return old.length;
  }

  get #count(): number {
    // The type of the library names no field.
    return (this.#rows.getStats() as { readonly entryCount: number }).entryCount;
  }

  #put(hash: string, row: KeyRow): KeyRow {
    void this.#rows.put(hash, row);
    void this.#byTime.put([row.atMs, hash], 0);
    return row;
  }
}
