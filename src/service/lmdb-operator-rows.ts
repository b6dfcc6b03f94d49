import type { Database } from 'lmdb';
import type { OperationRecord } from './operation-record.ts';
import type { LostImages } from './operation-store.ts';

const everyBackend = '*';

/** What an operator sets and reads in a store: pauses, and images that got lost. Writes belong into a transaction. */
export class LmdbOperatorRows {
  readonly #meta: Database<unknown, string>;

  constructor(meta: Database<unknown, string>) {
    this.#meta = meta;
  }

  get paused(): readonly string[] {
    return (this.#meta.get('paused') as readonly string[] | undefined) ?? [];
  }

  isPaused(backend: string): boolean {
    const { paused } = this;
    return paused.includes(backend) || paused.includes(everyBackend);
  }

  setPaused(isPaused: boolean, backend = everyBackend): void {
    const others = this.paused.filter((name) => name !== backend);
    const resumed = backend === everyBackend ? [] : others;
    void this.#meta.put('paused', isPaused ? [...others, backend] : resumed);
  }

  get lost(): LostImages {
    return (this.#meta.get('lost') as LostImages | undefined) ?? {};
  }

  /** Counts an operation that ends with the loss of its image. */
  countLoss(before: OperationRecord | undefined, after: OperationRecord): void {
    const cause = after.failure?.lossCause;
    if (cause === undefined || before?.state === 'done') return;
    const { lost } = this;
    const count = (lost[cause]?.count ?? 0) + 1;
    void this.#meta.put('lost', { ...lost, [cause]: { count, lastAtMs: after.modifiedAtMs } });
  }
}
