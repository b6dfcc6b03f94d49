import type { RootDatabase } from 'lmdb';
import type { StoreLog } from './store-log.ts';
import { storeUnavailable, withinTime } from './store-failure.ts';
import type { StoreClock } from './store-time.ts';

export interface StoreWritesOptions {
  readonly clock: StoreClock;
  readonly log?: StoreLog | undefined;
}

/** Longest time for one write. Much longer than a flush takes: a slower disk counts as failed. */
const writeMs = 2_000;
/** Time after a failed write in which no other is tried: LMDB prints each failure to standard error. */
const pauseMs = 1_000;

/**
 * The writes of an embedded store, one after the other over all processes that
 * have its files open. What can't be written is rejected, and nothing of it is
 * kept; the first failure and the recovery are logged.
 */
export class StoreWrites {
  readonly #root: RootDatabase;
  readonly #options: StoreWritesOptions;
  #failure: { readonly cause: unknown; readonly untilMs: number } | undefined;

  constructor(root: RootDatabase, options: StoreWritesOptions) {
    this.#root = root;
    this.#options = options;
  }

  /**
   * Runs `work` while the files are locked, and writes what it changed.
   *
   * @throws GatewayError `store_unavailable`
   */
  run<Result>(work: () => Result, { durable = false } = {}): Promise<Result> {
    return withinTime(writeMs, async () => {
      const { clock } = this.#options;
      if (this.#failure !== undefined && clock.elapsedMs() < this.#failure.untilMs) {
        throw storeUnavailable(this.#failure.cause);
      }
      try {
        const result = await this.#root.transaction(work);
        if (durable) await this.#root.flushed;
        this.#succeed();
        return result;
      } catch (error) {
        const cause = await commitErrorOf(error);
        if (cause === undefined) throw error;
        this.#fail(cause);
        throw storeUnavailable(cause);
      }
    });
  }

  #fail(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    if (this.#failure === undefined) {
      this.#options.log?.warn({ cause: message }, 'the store cannot be written');
    }
    this.#failure = { cause, untilMs: this.#options.clock.elapsedMs() + pauseMs };
  }

  #succeed(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.log?.info({}, 'the store can be written again');
  }
}

/**
 * Why LMDB could not commit: it rejects a promise beside the one of the
 * transaction, which ends the process unless it is heard. Undefined for any
 * other error.
 */
function commitErrorOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (!(commitError instanceof Promise)) return Promise.resolve(undefined);
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  );
}
