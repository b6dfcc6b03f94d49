import { GatewayError } from '../../errors/gateway-error.ts';
import type { StateStore, StoredRecord } from '../../state/state-store.ts';

/** Requests that only their senders can tell apart: same caller, same route, same body. */
export interface EqualRequests {
  /** Of caller, route and body: one record for all of them. */
  readonly recordKey: string;
  readonly fingerprint: string;
}

/** One of several equal requests, together with the retries that its client library sends by itself. */
export interface ClientAttempt {
  /** Tells it from the equal ones: part of the idempotency key of what it starts. */
  readonly name: string;
  /**
   * Writes down that the request which holds the attempt has ended.
   *
   * @param isDelivered Whether its response leaves nothing to retry.
   */
  leave(isDelivered: boolean): Promise<void>;
}

export interface ClientAttemptsOptions {
  readonly store: StateStore;
  /** Makes a name that no other call gets. */
  readonly newName: () => string;
}

/** An attempt as the store has it. */
interface StoredAttempt {
  readonly name: string;
  /** `waiting`: a request holds it; `left`: its last request hung up, or got an error; `delivered`. */
  readonly state: 'waiting' | 'left' | 'delivered';
  /** Retries that have joined it. */
  readonly retries: number;
}

/** Longer than any client library repeats a request by itself. */
const keepMs = 15 * 60_000;
/** Equal requests kept at once, of one caller. */
const attemptsMax = 16;
/** Writes that lose against those of other gateways before one gives up. */
const swapsMax = 20;

const ranks = { left: 0, waiting: 1, delivered: 2 } as const;

/**
 * The attempts of client libraries that repeat a request by themselves and say
 * so with a count, but without an idempotency key.
 *
 * A first attempt is a request of its own, equal ones too: two equal requests
 * are two images. A retry joins the attempt that it most likely repeats: the
 * oldest one whose request hung up, with as many retries as the count of this
 * one says; else the oldest that still waits, because a hang-up can be seen
 * late. So a retry never pays again, and takes no image of another request.
 *
 * The attempts stand in the store, so that a retry may reach another gateway.
 */
export class ClientAttempts {
  readonly #store: StateStore;
  readonly #newName: () => string;
  /** The last step on each record: steps of this process happen in the order in which they began. */
  readonly #lastSteps = new Map<string, Promise<unknown>>();

  constructor({ store, newName }: ClientAttemptsOptions) {
    this.#store = store;
    this.#newName = newName;
  }

  /**
   * The attempt of a request, from now on held by it.
   *
   * @param retryCount 0 for a first attempt.
   * @throws GatewayError `store_unavailable`.
   */
  async take(requests: EqualRequests, retryCount: number): Promise<ClientAttempt> {
    const taken = await this.#step(requests, (attempts) => {
      const joined = retryCount === 0 ? undefined : attemptToJoin(attempts, retryCount);
      const attempt: StoredAttempt =
        joined === undefined
          ? { name: this.#newName(), state: 'waiting', retries: retryCount }
          : { ...joined, state: 'waiting', retries: Math.max(joined.retries + 1, retryCount) };
      return { attempt, attempts: withAttempt(attempts, attempt) };
    });
    return { name: taken.name, leave: (isDelivered) => this.#leave(requests, taken, isDelivered) };
  }

  async #leave(requests: EqualRequests, taken: StoredAttempt, isDelivered: boolean): Promise<void> {
    const state = isDelivered ? 'delivered' : 'left';
    try {
      await this.#step(requests, (attempts) => {
        const present = attempts.find(({ name }) => name === taken.name);
        // A retry has joined in the meantime: it holds the attempt now.
        if (present === undefined || present.retries !== taken.retries) {
          return { attempt: taken, attempts };
        }
        const attempt = { ...taken, state } as const;
        return { attempt, attempts: withAttempt(attempts, attempt) };
      });
    } catch (error) {
      // Without it a retry takes the attempt for one that waits, and joins it all the same.
      if (!(error instanceof GatewayError)) throw error;
    }
  }

  /** One change of the record, after those that this process began before. */
  async #step(requests: EqualRequests, change: Change): Promise<StoredAttempt> {
    const { recordKey } = requests;
    const step = this.#changed(requests, change, this.#lastSteps.get(recordKey));
    this.#lastSteps.set(recordKey, step);
    try {
      return await step;
    } finally {
      if (this.#lastSteps.get(recordKey) === step) this.#lastSteps.delete(recordKey);
    }
  }

  async #changed(
    requests: EqualRequests,
    change: Change,
    before: Promise<unknown> | undefined,
  ): Promise<StoredAttempt> {
    await before?.catch(() => undefined);
    let expected: StoredRecord | undefined;
    for (let swaps = 0; swaps < swapsMax; swaps += 1) {
      const { attempt, attempts } = change(attemptsFromRecord(expected));
      const { swapped, record } = await this.#store.swapRecord(requests.recordKey, expected, {
        state: 'accepted',
        fence: 'take',
        fingerprint: requests.fingerprint,
        data: JSON.stringify(attempts),
        leaseMs: 0,
        keepMs,
        durable: false,
      });
      if (swapped) return attempt;
      expected = record;
    }
    throw new GatewayError('overloaded', 'too many equal requests at once', {
      outcome: 'not_started',
    });
  }
}

type Change = (attempts: readonly StoredAttempt[]) => {
  readonly attempt: StoredAttempt;
  readonly attempts: readonly StoredAttempt[];
};

function attemptsFromRecord(record: StoredRecord | undefined): readonly StoredAttempt[] {
  return record === undefined ? [] : (JSON.parse(record.data) as StoredAttempt[]);
}

/** The attempt that a retry most likely repeats; the oldest of several. */
function attemptToJoin(
  attempts: readonly StoredAttempt[],
  retryCount: number,
): StoredAttempt | undefined {
  const isNext = ({ retries }: StoredAttempt) => retries === retryCount - 1;
  const [best] = attempts.toSorted(
    (a, b) =>
      ranks[a.state] - ranks[b.state] ||
      Number(isNext(b)) - Number(isNext(a)) ||
      a.retries - b.retries,
  );
  return best;
}

/** The attempts with this one in its place, or behind them. What is delivered makes room first. */
function withAttempt(
  attempts: readonly StoredAttempt[],
  attempt: StoredAttempt,
): readonly StoredAttempt[] {
  if (attempts.some(({ name }) => name === attempt.name)) {
    return attempts.map((each) => (each.name === attempt.name ? attempt : each));
  }
  const kept = [...attempts, attempt];
  if (kept.length <= attemptsMax) return kept;
  const delivered = kept.findIndex(({ state }) => state === 'delivered');
  return kept.toSpliced(Math.max(0, delivered), 1);
}
