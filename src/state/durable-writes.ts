import type { RedisConnection } from './redis-connection.ts';
import { swapScript } from './redis-scripts.ts';

interface Write {
  readonly key: string;
  readonly args: readonly string[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Longest wait for the server's log. One that is synced once a second is synced within it, unless the disk is in trouble. */
const waitMs = 1_500;

/**
 * The writes that must outlive a crash of the server, sent in batches: WAITAOF
 * and WAIT block their whole connection, so writes that arrive meanwhile share
 * the next batch.
 */
export class DurableWrites {
  readonly #connection: RedisConnection;
  #waiting: Write[] = [];
  #isBusy = false;

  /** @param connection Used for nothing else: a wait would delay other commands. */
  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /**
   * @returns The script's reply, when the write is durable.
   * @throws GatewayError `store_unavailable`
   */
  swap(key: string, args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, args, resolve, reject });
      if (!this.#isBusy) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#write(batch);
    }
    this.#isBusy = false;
  }

  async #write(batch: readonly Write[]): Promise<void> {
    const replies = batch.map(({ key, args }) => this.#connection.eval(swapScript, [key], args));
    const settled = await Promise.allSettled(replies);
    // If every write failed there is nothing to wait for.
    const waited = settled.some(({ status }) => status === 'fulfilled')
      ? await this.#connection.wait(waitMs).catch((error: unknown) => ({ error }))
      : undefined;
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = settled[index];
      if (outcome?.status !== 'fulfilled') reject(outcome?.reason);
      else if (waited !== undefined) reject(waited.error);
      else resolve(outcome.value);
    }
  }
}
