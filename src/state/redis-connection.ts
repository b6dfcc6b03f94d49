import { Redis } from 'ioredis';
import { serverFacts, type ServerFacts } from './redis-server-facts.ts';
import { inTime, storeUnavailable } from './store-failure.ts';

/** Told of what an operator should know; pino's levels. */
export interface StoreLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user, password and database number where needed. */
  readonly url: string;
  /** Absent: says nothing, as another connection to the same server does. */
  readonly log?: StoreLog;
  /** How often the server is looked at again: replicas come and go, settings change. Default 10 s. */
  readonly lookAgainMs?: number;
}

/** A store that takes longer is treated as one that is down. */
export const answerMs = 250;
const reconnectMsMax = 1_000;

/**
 * One connection to a Redis or Valkey server, that looks at the server each time
 * it is made: behind one address there may be another server than before.
 */
export class RedisConnection {
  readonly #client: Redis;
  readonly #log: StoreLog | undefined;
  readonly #server: string;
  #facts: ServerFacts | undefined;
  readonly #timer: NodeJS.Timeout;
  #isLost = false;

  constructor({ url, log, lookAgainMs = 10_000 }: RedisConnectionOptions) {
    this.#log = log;
    const { host } = new URL(url);
    this.#server = host;
    this.#client = new Redis(url, {
      // A command fails now rather than later: a create that waits for the store to come back may be sent twice by its caller.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      connectTimeout: 1_000,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), reconnectMsMax),
      connectionName: 'image-generation-gateway',
    });
    this.#client.on('ready', () => void this.#look());
    this.#timer = setInterval(() => {
      if (this.#facts !== undefined) void this.#look();
    }, lookAgainMs).unref();
    this.#client.on('error', (error: Error) => this.#lost(error));
    this.#client.on('close', () => this.#lost(new Error('the connection was closed')));
  }

  /** What is known of the server; undefined while there is no connection. */
  get facts(): ServerFacts | undefined {
    return this.#facts;
  }

  /** Resolves when the server was looked at once, or the time is over. */
  async firstLook(forMs: number): Promise<void> {
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
    return inTime(answerMs, () => this.#client.eval(script, keys.length, ...keys, ...args));
  }

  /**
   * Until every script of this connection outlives what it should.
   *
   * @throws GatewayError `store_unavailable` when that takes longer than told.
   */
  async wait(forMs: number): Promise<void> {
    const kind = this.#facts?.wait;
    if (kind === 'none') return;
    const wait = kind === 'log' ? ['WAITAOF', '1', '0'] : ['WAIT', '1'];
    const reached = await inTime(forMs + answerMs, () =>
      this.#client.call(...(wait as [string, ...string[]]), String(forMs)),
    );
    const count = Number(Array.isArray(reached) ? reached[0] : reached);
    if (count >= 1) return;
    // A replica that is gone for good is not waited for again.
    void this.#look();
    throw storeUnavailable(new Error(`${wait[0]} was not reached within ${forMs} ms`));
  }

  close(): void {
    this.#isLost = true;
    clearInterval(this.#timer);
    this.#client.disconnect();
  }

  async #look(): Promise<void> {
    try {
      const info = await inTime(2_000, () => this.#client.info());
      const setting = await inTime(2_000, () =>
        this.#client.config('GET', 'appendfsync').catch(() => undefined),
      );
      const facts = serverFacts(info, settingOf(setting));
      this.#tell(facts);
      this.#facts = facts;
      this.#isLost = false;
    } catch (error) {
      this.#log?.warn(
        { server: this.#server, cause: messageOf(error) },
        'can not look at the store',
      );
      // Looks once more with the next connection.
      this.#client.disconnect(true);
    }
  }

  #tell(facts: ServerFacts): void {
    const fields = { server: this.#server, durability: facts.durability };
    if (facts.objection !== undefined && facts.objection !== this.#facts?.objection) {
      this.#log?.error(
        fields,
        `no image is made with an Idempotency-Key: the store at this address is not safe: ${facts.objection}`,
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

/** CONFIG GET answers with a map, or with a list of names and values. */
function settingOf(answer: unknown): string | undefined {
  if (Array.isArray(answer)) return String(answer[1]);
  if (typeof answer !== 'object' || answer === null) return undefined;
  const [value] = answer instanceof Map ? [...answer.values()] : Object.values(answer);
  return value === undefined ? undefined : String(value);
}

function messageOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
