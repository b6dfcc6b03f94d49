import { createHash } from 'node:crypto';
import type { Database, RootDatabase } from 'lmdb';
import type { Table } from './tables.ts';

/** LMDB refuses keys of 1,978 bytes and more. */
const keyBytesMax = 512;

/**
 * A table in two trees of an LMDB file: rows by key, and keys by the time the
 * row expires. Call it only inside a transaction of `root`.
 */
export class LmdbTable<Row extends { readonly goneAtMs: number }> implements Table<Row> {
  readonly #rows: Database<Row, string>;
  readonly #byGoneAt: Database<0, [number, string]>;

  constructor(root: RootDatabase, name: string) {
    // JSON, so that an operator can read the file.
    this.#rows = root.openDB<Row, string>({ name, encoding: 'json' });
    this.#byGoneAt = root.openDB<0, [number, string]>({
      name: `${name} by time`,
      encoding: 'json',
    });
  }

  get(key: string): Row | undefined {
    return this.#rows.get(shortened(key));
  }

  put(key: string, row: Row): void {
    const short = shortened(key);
    const before = this.#rows.get(short);
    if (before !== undefined) void this.#byGoneAt.remove([before.goneAtMs, short]);
    void this.#rows.put(short, row);
    void this.#byGoneAt.put([row.goneAtMs, short], 0);
  }

  /** Deletes expired rows, at most `rowsMax`. @returns How many. */
  sweep(nowMs: number, rowsMax: number): number {
    const over = [...this.#byGoneAt.getKeys({ end: [nowMs, ''], limit: rowsMax })];
    for (const [goneAtMs, key] of over) {
      void this.#byGoneAt.remove([goneAtMs, key]);
      void this.#rows.remove(key);
    }
    return over.length;
  }
}

function shortened(key: string): string {
  if (Buffer.byteLength(key) <= keyBytesMax) return key;
  return `sha256 ${createHash('sha256').update(key).digest('base64url')}`;
}
