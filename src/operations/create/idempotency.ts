import { GatewayError } from '../../errors/gateway-error.ts';
import type { StateStore, StoredRecord } from '../../state/state-store.ts';
import type { Clock } from '../../clock/clock.ts';
import { KeyRecords, leaseMsByState } from './key-records.ts';
import type { KeyedCreate, KeyedRequest, KeyedResult, SentCreate } from './keyed-create.ts';

export interface IdempotencyOptions {
  readonly store: StateStore;
  readonly clock: Clock;
}

/** How often a request looks whether the one it joined has ended on another gateway. */
const lookAgainMs = 150;
/** Chains of reservations that run out one after the other end here. */
const joinMaxMs = 45_000;

/** A request that can find out what became of an earlier one. */
type SettledRequest = KeyedRequest & Pick<KeyedCreate<never, never>, 'settle'>;

/** What a request has met on its way to an end. */
interface Join {
  /** Whether an earlier request with the key was sent: then no later one can say that nothing was spent. */
  sawDispatch: boolean;
  hasWaited: boolean;
  /** The record it waits for, and since when in monotonic time: the store's clock may be set back. */
  watched?: { readonly record: StoredRecord; readonly sinceMs: number };
}

/**
 * At most one paid Generate per idempotency key.
 *
 * A record goes `reserved → dispatched → accepted | failed | unknown`, every
 * step a compare-and-set on state and fence. `dispatched` is durable before the
 * first byte leaves, and from then on no other request takes the record over:
 * the upstream can't check a fence, so a second request might pay twice. A
 * dispatch whose end was not written down in time is settled, where the upstream
 * tells what became of it; else it is `unknown`, until a late end or a Settle heals it.
 */
export class Idempotency {
  readonly #clock: Clock;
  readonly #records: KeyRecords;
  /** Creates that this process carries out. Requests that join them here need not poll the store. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(options: IdempotencyOptions) {
    this.#clock = options.clock;
    this.#records = new KeyRecords(options);
  }

  /**
   * Carries the create out, joins the request that does, or returns what that one left.
   *
   * @throws GatewayError `idempotency_key_reused`, `outcome_unknown`, `store_unavailable`, or what `reserve` and `send` throw.
   */
  async run<Reserved, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Reserved, Made>,
  ): Promise<KeyedResult<Made>> {
    const join: Join = { sawDispatch: false, hasWaited: false };
    try {
      return await this.#run(create, join);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.outcome !== undefined) throw error;
      throw error.with({ outcome: join.sawDispatch ? 'unknown' : 'not_started' });
    }
  }

  async #run<Reserved, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Reserved, Made>,
    join: Join,
  ): Promise<KeyedResult<Made>> {
    const giveUpAtMs = this.#clock.elapsedMs() + joinMaxMs;
    let expected: StoredRecord | undefined;
    while (this.#clock.elapsedMs() < giveUpAtMs) {
      const { swapped, record } = await this.#records.reserve(create, expected);
      expected = undefined;
      if (swapped && record !== undefined) {
        const made = await this.#carryOut(create, record);
        if (made !== undefined) return { made };
      } else if (record !== undefined) {
        join.sawDispatch ||= record.state === 'dispatched';
        if (record.state === 'accepted' && isSame(record, create)) {
          return { replayOf: record.data, hasJoined: join.hasWaited };
        }
        expected = await this.#freed(record, create, join);
        join.hasWaited ||= expected === undefined;
      }
    }
    throw new GatewayError('overloaded', 'another request with this key is still under way');
  }

  /** The record when it may be taken over; undefined after waiting for the request that holds it. */
  async #freed(
    record: StoredRecord,
    request: SettledRequest,
    join: Join,
  ): Promise<StoredRecord | undefined> {
    if (!isSame(record, request)) {
      throw new GatewayError('idempotency_key_reused', 'this key was sent with another request', {
        outcome: 'not_started',
      });
    }
    if (record.state === 'unknown') return this.#settled(record, request, join);
    const leftMs = this.#leaseLeftMs(record, request, join);
    const isOver = leftMs <= 0;
    if (record.state === 'failed' || (record.state === 'reserved' && isOver)) return record;
    if (record.state === 'dispatched' && isOver) return this.#settled(record, request, join);
    await this.#ended(request.recordKey, Math.min(lookAgainMs, leftMs));
    return undefined;
  }

  /**
   * What became of a create whose end no one wrote down: the record when nothing
   * was accepted, so that it may be taken over; undefined when its end is in the record now.
   */
  async #settled(
    record: StoredRecord,
    request: SettledRequest,
    join: Join,
  ): Promise<StoredRecord | undefined> {
    const settled = (await request.settle?.(sentFrom(record))) ?? 'not_settled';
    if (settled === 'not_settled') {
      if (record.state === 'unknown') throw unknownOutcome();
      const { swapped } = await this.#records.end(request, record, 'unknown', record.data);
      if (swapped) throw unknownOutcome();
      return undefined;
    }
    if (settled === 'never_accepted') {
      const { swapped, record: failed } = await this.#records.end(request, record, 'failed');
      join.sawDispatch = false;
      return swapped ? failed : undefined;
    }
    await this.#records.end(request, record, 'accepted', settled.operationId);
    return undefined;
  }

  /** How long the record still stands for its request: by the store's clock, but no longer than a lease is. */
  #leaseLeftMs(record: StoredRecord, { recordKey }: KeyedRequest, join: Join): number {
    const { state, fence, leaseLeftMs } = record;
    // Carried out by this process, so it is alive, whatever the store's clock says.
    if (this.#underWay.has(recordKey)) return lookAgainMs;
    if (state !== 'reserved' && state !== 'dispatched') return leaseLeftMs;
    const elapsedMs = this.#clock.elapsedMs();
    const { watched } = join;
    const isSame = watched?.record.state === state && watched.record.fence === fence;
    const sinceMs = isSame ? watched.sinceMs : elapsedMs;
    join.watched = { record, sinceMs };
    return Math.min(leaseLeftMs, sinceMs + leaseMsByState[state] - elapsedMs);
  }

  /** @returns Undefined when the reservation was lost before anything was sent. */
  async #carryOut<Reserved, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Reserved, Made>,
    record: StoredRecord,
  ): Promise<Made | undefined> {
    const { promise, resolve } = ending();
    this.#underWay.set(create.recordKey, promise);
    try {
      const reserved = await this.#reserve(create, record);
      const dispatched = await this.#dispatch(create, record, reserved);
      return dispatched === undefined ? undefined : await this.#send(create, dispatched, reserved);
    } finally {
      if (this.#underWay.get(create.recordKey) === promise) {
        this.#underWay.delete(create.recordKey);
      }
      resolve();
    }
  }

  async #reserve<Reserved>(
    create: KeyedRequest & { readonly reserve: () => Promise<Reserved> },
    record: StoredRecord,
  ): Promise<Reserved> {
    try {
      return await create.reserve();
    } catch (error) {
      // Leaves nothing of the refused request but the fence: the key may be used for another one.
      await this.#records
        .end({ ...create, fingerprint: '' }, record, 'failed')
        .catch(() => undefined);
      throw error;
    }
  }

  async #dispatch<Reserved>(
    create: KeyedRequest & Pick<KeyedCreate<Reserved, never>, 'refund' | 'noteOf'>,
    record: StoredRecord,
    reserved: Reserved,
  ): Promise<StoredRecord | undefined> {
    try {
      const note = create.noteOf?.(reserved) ?? '';
      const { swapped, record: dispatched } = await this.#records.dispatch(create, record, note);
      if (swapped && dispatched !== undefined) return dispatched;
      await create.refund(reserved);
      return undefined;
    } catch (error) {
      // The write may have taken place, but nothing was sent and nothing will be.
      void this.#records.settle(create, { ...record, state: 'dispatched' }, 'failed');
      await create.refund(reserved);
      throw error;
    }
  }

  async #send<Reserved, Made extends { readonly operationId: string }>(
    create: KeyedCreate<Reserved, Made>,
    dispatched: StoredRecord,
    reserved: Reserved,
  ): Promise<Made> {
    let made: Made;
    try {
      made = await create.send(reserved, sentFrom(dispatched));
    } catch (error) {
      const isUnspent = error instanceof GatewayError && error.outcome === 'not_started';
      const end = isUnspent ? 'failed' : 'unknown';
      await this.#records.settle(create, dispatched, end, isUnspent ? '' : dispatched.data);
      throw error;
    }
    await this.#records.settle(create, dispatched, 'accepted', made.operationId);
    return made;
  }

  /** Resolves when the create of this process that holds the key has ended, or the time is over. */
  #ended(recordKey: string, forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancelTimer = this.#clock.after(forMs, resolve);
      const underWay = this.#underWay.get(recordKey);
      void underWay?.then(cancelTimer).then(resolve);
    });
  }
}

function sentFrom({ fence, data }: StoredRecord): SentCreate {
  return { fence, note: data };
}

/** A record that a refused request left has no fingerprint, and is for any request to take. */
function isSame(record: StoredRecord, request: KeyedRequest): boolean {
  return record.fingerprint === '' || record.fingerprint === request.fingerprint;
}

function unknownOutcome(): GatewayError {
  return new GatewayError(
    'outcome_unknown',
    'an earlier request with this key may have been paid for, and its response was lost',
    { outcome: 'unknown' },
  );
}

function ending(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
