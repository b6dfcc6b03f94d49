/** Rows by key. The reader must check `goneAtMs`: an expired row stays until it is swept. */
export interface Table<Row extends { readonly goneAtMs: number }> {
  get(key: string): Row | undefined;
  put(key: string, row: Row): void;
}

/** A table in memory, which ends with the process. */
export class MemoryTable<Row extends { readonly goneAtMs: number }> implements Table<Row> {
  readonly #rows = new Map<string, Row>();

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  put(key: string, row: Row): void {
    this.#rows.set(key, row);
  }

  delete(key: string): void {
    this.#rows.delete(key);
  }

  /** Deletes every expired row. */
  sweep(nowMs: number): void {
    for (const [key, { goneAtMs }] of this.#rows) if (goneAtMs <= nowMs) this.#rows.delete(key);
  }

  get size(): number {
    return this.#rows.size;
  }
}
