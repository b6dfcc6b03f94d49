import { GatewayError } from '../../errors/gateway-error.ts';
import type {
  RecordState,
  RecordWrite,
  StateStore,
  StoredRecord,
} from '../../state/state-store.ts';
import type { Clock } from '../../clock/clock.ts';
import type { Keyed, KeyedCreate, KeyedResult } from './keyed-create.ts';

export interface IdempotencyOptions {
  readonly store: StateStore;
  readonly clock: Clock;
}

const hourMs = 3_600_000;
const keepMs = 72 * hourMs;
const keepFailedMs = 24 * hourMs;
/** How long a reservation holds while limits are asked. */
const reservedLeaseMs = 5_000;
/** Longer than Generate's own deadline and the durable write before it, so that it seldom runs out under a living call. */
const dispatchedLeaseMs = 20_000;
/** How often a request looks whether the one it joined has ended on another gateway. */
const lookAgainMs = 150;
/** Chains of reservations that run out one after the other end here. */
const joinMaxMs = 45_000;
/** Pauses before the end of a create is written down once more. */
const settleAgainMs = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

/**
 * At most one paid Generate per idempotency key.
 *
 * A record goes `reserved → dispatched → accepted | failed | unknown`, every
 * step a compare-and-set on state and fence. `dispatched` is durable before the
 * first byte leaves, and from then on nobody takes the record over: the upstream
 * can't check a fence, so whoever sent again might pay twice. A dispatch whose
 * end nobody wrote down in time is `unknown`, and a late answer heals it.
 */
export class Idempotency {
  readonly #store: StateStore;
  readonly #clock: Clock;
  /** Creates that this process carries out: those who join them here need not poll the store. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor({ store, clock }: IdempotencyOptions) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Carries the create out, joins the request that does, or answers from what it left.
   *
   * @throws GatewayError `idempotency_key_reused`, `outcome_unknown`, `store_unavailable`, or what `admit` and `send` throw.
   */
  async run<Place, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Place, Made>,
  ): Promise<KeyedResult<Made>> {
    const join = { sawDispatch: false, hasWaited: false };
    try {
      return await this.#run(create, join);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.outcome !== undefined) throw error;
      // Whoever joined a create that was sent can't say that nothing was spent.
      throw error.with({ outcome: join.sawDispatch ? 'unknown' : 'not_started' });
    }
  }

  async #run<Place, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Place, Made>,
    join: { sawDispatch: boolean; hasWaited: boolean },
  ): Promise<KeyedResult<Made>> {
    const giveUpAtMs = this.#clock.nowMs() + joinMaxMs;
    let expected: StoredRecord | undefined;
    while (this.#clock.nowMs() < giveUpAtMs) {
      const { swapped, record } = await this.#swap(create, expected, {
        state: 'reserved',
        fence: 'take',
        fingerprint: create.fingerprint,
        leaseMs: reservedLeaseMs,
      });
      expected = undefined;
      if (swapped && record !== undefined) {
        const made = await this.#carryOut(create, record);
        if (made !== undefined) return { made };
      } else if (record !== undefined) {
        join.sawDispatch ||= record.state === 'dispatched';
        if (record.state === 'accepted' && isSame(record, create) && create.isFresh !== true) {
          return { replayOf: record.data, hasJoined: join.hasWaited };
        }
        // Two that start anew at once would else take the reservation from each other for ever.
        const startsAnew = create.isFresh === true && record.state !== 'reserved';
        expected = startsAnew ? record : await this.#freed(record, create);
        join.hasWaited ||= expected === undefined;
      }
    }
    throw new GatewayError('overloaded', 'another request with this key is still under way');
  }

  /** The record when it may be taken over; undefined after waiting for somebody else's. */
  async #freed(record: StoredRecord, create: Keyed): Promise<StoredRecord | undefined> {
    if (!isSame(record, create)) {
      throw new GatewayError('idempotency_key_reused', 'this key was sent with another request', {
        outcome: 'not_started',
      });
    }
    if (record.state === 'unknown') throw unknownOutcome();
    const isOver = record.leaseLeftMs <= 0;
    if (record.state === 'failed' || (record.state === 'reserved' && isOver)) return record;
    if (record.state === 'dispatched' && isOver) {
      const { swapped } = await this.#end(create, record, 'unknown', '');
      if (swapped) throw unknownOutcome();
      return undefined;
    }
    await this.#ended(create.recordKey, Math.min(lookAgainMs, record.leaseLeftMs));
    return undefined;
  }

  /** @returns Undefined when the reservation was lost before anything was sent. */
  async #carryOut<Place, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Place, Made>,
    reserved: StoredRecord,
  ): Promise<Made | undefined> {
    const { promise, resolve } = ending();
    this.#underWay.set(create.recordKey, promise);
    try {
      const place = await this.#admit(create, reserved);
      const dispatched = await this.#dispatch(create, reserved, place);
      return dispatched === undefined ? undefined : await this.#send(create, dispatched, place);
    } finally {
      if (this.#underWay.get(create.recordKey) === promise) {
        this.#underWay.delete(create.recordKey);
      }
      resolve();
    }
  }

  async #admit<Place>(
    create: Keyed & { readonly admit: () => Promise<Place> },
    reserved: StoredRecord,
  ): Promise<Place> {
    try {
      return await create.admit();
    } catch (error) {
      // Leaves nothing of the refused request but the fence: the key may be used for another one.
      await this.#end({ ...create, fingerprint: '' }, reserved, 'failed', '').catch(
        () => undefined,
      );
      throw error;
    }
  }

  async #dispatch<Place>(
    create: Keyed & { readonly withdraw: (place: Place) => Promise<void> },
    reserved: StoredRecord,
    place: Place,
  ): Promise<StoredRecord | undefined> {
    try {
      const { swapped, record } = await this.#swap(create, reserved, {
        state: 'dispatched',
        fence: 'keep',
        fingerprint: create.fingerprint,
        leaseMs: dispatchedLeaseMs,
        durable: true,
      });
      if (swapped && record !== undefined) return record;
      await create.withdraw(place);
      return undefined;
    } catch (error) {
      // The write may have taken place, but nothing was sent and nothing will be.
      void this.#settle(create, { ...reserved, state: 'dispatched' }, 'failed', '');
      await create.withdraw(place);
      throw error;
    }
  }

  async #send<Place, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Place, Made>,
    dispatched: StoredRecord,
    place: Place,
  ): Promise<Made> {
    let made: Made;
    try {
      made = await create.send(place);
    } catch (error) {
      const isUnspent = error instanceof GatewayError && error.outcome === 'not_started';
      await this.#settle(create, dispatched, isUnspent ? 'failed' : 'unknown', '');
      throw error;
    }
    await this.#settle(create, dispatched, 'accepted', made.operationId);
    return made;
  }

  /**
   * Writes the end down. Resolves after the first attempt, whatever came of it:
   * the caller's answer does not depend on it. Later attempts go on behind it.
   */
  #settle(
    create: Keyed,
    dispatched: StoredRecord,
    state: 'accepted' | 'failed' | 'unknown',
    data: string,
  ): Promise<void> {
    const attempt = async (from: StoredRecord, count: number): Promise<void> => {
      try {
        const { swapped, record } = await this.#end(create, from, state, data);
        const isLate = !swapped && record?.state === 'unknown' && record.fence === from.fence;
        // Somebody found the lease run out before this answer came: the same fence, so it is ours to heal.
        if (isLate && from.state !== 'unknown') return await attempt(record, count);
      } catch {
        const pauseMs = settleAgainMs[count];
        if (pauseMs !== undefined) {
          this.#clock.after(pauseMs, () => void attempt(from, count + 1));
        }
      }
    };
    return attempt(dispatched, 0);
  }

  #end(create: Keyed, from: StoredRecord, state: RecordState, data: string) {
    const { fingerprint } = create;
    const write = { state, fence: 'keep', fingerprint, data, leaseMs: 0 } as const;
    return this.#swap(create, from, write);
  }

  #swap(
    { recordKey, keepMs: ownKeepMs }: Keyed,
    expected: StoredRecord | undefined,
    write: Pick<RecordWrite, 'state' | 'fence' | 'fingerprint' | 'leaseMs'> & Partial<RecordWrite>,
  ) {
    return this.#store.swapRecord(recordKey, expected, {
      data: '',
      durable: false,
      keepMs: ownKeepMs ?? (write.state === 'failed' ? keepFailedMs : keepMs),
      ...write,
    });
  }

  /** Until the create of this process that holds the key has ended, or the time is over. */
  #ended(recordKey: string, forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.after(forMs, resolve);
      const underWay = this.#underWay.get(recordKey);
      void underWay?.then(cancelTimer).then(resolve);
    });
  }
}

/** A record that a refused request left has no fingerprint, and is for any request to take. */
function isSame(record: StoredRecord, create: Keyed): boolean {
  return record.fingerprint === '' || record.fingerprint === create.fingerprint;
}

function unknownOutcome(): GatewayError {
  return new GatewayError(
    'outcome_unknown',
    'an earlier request with this key may have been paid for, and its answer was lost',
    { outcome: 'unknown' },
  );
}

function ending(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
