import type { RedisConnection } from './redis-connection.ts';
import { swapScript } from './redis-scripts.ts';

interface Write {
  readonly key: string;
  readonly args: readonly string[];
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Within it a log that is synced once a second is synced, or the disk is in trouble. */
const waitMs = 1_500;

/**
 * Writes that have to outlive a crash of the server, several at a time: a wait
 * holds up its whole connection, so writes that come meanwhile go together into
 * the next one.
 */
export class DurableWrites {
  readonly #connection: RedisConnection;
  #waiting: Write[] = [];
  #isBusy = false;

  /** @param connection Carries nothing else. */
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
      if (!this.#isBusy) void this.#work();
    });
  }

  async #work(): Promise<void> {
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
    // Without any write there is nothing to wait for, and nobody to answer.
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
