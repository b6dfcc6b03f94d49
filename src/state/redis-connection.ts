import { Redis } from 'ioredis';
import { serverFacts, type ServerFacts } from './redis-server-facts.ts';
import { withinTime, storeUnavailable } from './store-failure.ts';
import type { StoreLog } from './store-log.ts';

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database number where needed. */
  readonly url: string;
  /** Absent: logs nothing, because another connection to the same server does. */
  readonly log?: StoreLog;
  /** How often the server's facts are read again: replicas come and go, settings change. Default 10 s. */
  readonly factsEveryMs?: number;
}

/** Longest time for one command. A slower store is treated as one that is down. */
const commandMs = 250;
const reconnectMsMax = 1_000;

/**
 * One connection to a Redis or Valkey server. It reads the server's facts each
 * time it connects: the same address may lead to another server than before.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #log: StoreLog | undefined;
  readonly #server: string;
  #facts: ServerFacts | undefined;
  readonly #timer: NodeJS.Timeout;
  #isLost = false;

  constructor({ url, log, factsEveryMs = 10_000 }: RedisConnectionOptions) {
    this.#log = log;
    const { host } = new URL(url);
    this.#server = host;
    this.#client = new Redis(url, {
      // A command fails at once instead of waiting for the store: a caller whose create waits may send it again.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 1_000,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), reconnectMsMax),
      connectionName: 'image-generation-gateway',
    });
    this.#client.on('ready', () => void this.#readFacts());
    this.#timer = setInterval(() => {
      if (this.#facts !== undefined) void this.#readFacts();
    }, factsEveryMs).unref();
    this.#client.on('error', (error: Error) => this.#lost(error));
    this.#client.on('close', () => this.#lost(new Error('the connection was closed')));
  }

  /** What is known of the server; undefined while there is no connection. */
  get facts(): ServerFacts | undefined {
    return this.#facts;
  }

  /** Resolves when the server's facts are known, or the time is over. */
  async firstFacts(forMs: number): Promise<void> {
    const untilMs = performance.now() + forMs;
    while (this.#facts === undefined && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * Runs a script as one step.
   *
   * @throws GatewayError `store_unavailable`; whether the script ran is then unknown.
   */
  eval(script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return withinTime(commandMs, () => this.#client.eval(script, keys.length, ...keys, ...args));
  }

  /**
   * Resolves when every earlier script of this connection is durable.
   *
   * @throws GatewayError `store_unavailable` when that takes longer than `forMs`.
   */
  async wait(forMs: number): Promise<void> {
    const kind = this.#facts?.wait;
    if (kind === 'none') return;
    const wait = kind === 'log' ? ['WAITAOF', '1', '0'] : ['WAIT', '1'];
    const reached = await withinTime(forMs + commandMs, () =>
      this.#client.call(...(wait as [string, ...string[]]), String(forMs)),
    );
    const count = Number(Array.isArray(reached) ? reached[0] : reached);
    if (count >= 1) return;
    // Notices a replica that is gone, so that later writes don't wait for it.
    void this.#readFacts();
    throw storeUnavailable(new Error(`${wait[0]} was not reached within ${forMs} ms`));
  }

  close(): void {
    this.#isLost = true;
    clearInterval(this.#timer);
    this.#client.disconnect();
  }

  async #readFacts(): Promise<void> {
    try {
      const info = await withinTime(2_000, () => this.#client.info());
      const setting = await withinTime(2_000, () =>
        this.#client.config('GET', 'appendfsync').catch(() => undefined),
      );
      const facts = serverFacts(info, settingFromResponse(setting));
      this.#logChange(facts);
      this.#facts = facts;
      this.#isLost = false;
    } catch (error) {
      this.#log?.warn(
        { server: this.#server, cause: messageOf(error) },
        'the facts of the store cannot be read',
      );
      // They are read again on the next connection.
      this.#client.disconnect(true);
    }
  }

  #logChange(facts: ServerFacts): void {
    const fields = { server: this.#server, durability: facts.durability };
    if (facts.objection !== undefined && facts.objection !== this.#facts?.objection) {
      this.#log?.error(
        fields,
        `creates with an Idempotency-Key are refused, the store is not safe: ${facts.objection}`,
      );
    } else if (this.#isLost) {
      this.#log?.info(fields, 'the store is back');
    }
  }

  #lost(error: Error): void {
    this.#facts = undefined;
    if (this.#isLost) return;
    this.#isLost = true;
    this.#log?.warn({ server: this.#server, cause: error.message }, 'the store is out of reach');
  }
}

/** The value in a response to CONFIG GET, which is a map, or a list of names and values. */
function settingFromResponse(response: unknown): string | undefined {
  if (Array.isArray(response)) return String(response[1]);
  if (typeof response !== 'object' || response === null) return undefined;
  const [value] = response instanceof Map ? [...response.values()] : Object.values(response);
  return value === undefined ? undefined : String(value);
}

function messageOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
