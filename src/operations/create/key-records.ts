import type {
  RecordState,
  RecordWrite,
  StateStore,
  StoredRecord,
  SwapResult,
} from '../../state/state-store.ts';
import type { Clock } from '../../clock/clock.ts';
import type { KeyedRequest } from './keyed-create.ts';

const hourMs = 3_600_000;
const keepMs = 72 * hourMs;
const keepFailedMs = 24 * hourMs;

/** How long a record stands for a request that may have died since. */
export const leaseMsByState = {
  /** While limits are asked. */
  reserved: 5_000,
  /** Longer than Generate's own deadline and the durable write before it, so that it seldom runs out under a living call. */
  dispatched: 20_000,
} as const;

/** Pauses before the end of a create is written down once more. */
const settleAgainMs = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

/** The record's state once the create has ended. */
export type EndState = 'accepted' | 'failed' | 'unknown';

/** The records of idempotency keys: the steps they take, each a compare-and-set on state and fence. */
export class KeyRecords {
  readonly #store: StateStore;
  readonly #clock: Clock;

  constructor({ store, clock }: { readonly store: StateStore; readonly clock: Clock }) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Takes the key, if its record is still the expected one. Without `swapped`: the record another request left. */
  reserve(request: KeyedRequest, expected: StoredRecord | undefined): Promise<SwapResult> {
    return this.#swap(request, expected, {
      state: 'reserved',
      fence: 'take',
      fingerprint: request.fingerprint,
      leaseMs: leaseMsByState.reserved,
    });
  }

  /** Marks the create as sent, before its first byte leaves. Outlives a crash. */
  dispatch(request: KeyedRequest, reserved: StoredRecord, note: string): Promise<SwapResult> {
    return this.#swap(request, reserved, {
      state: 'dispatched',
      fence: 'keep',
      fingerprint: request.fingerprint,
      data: note,
      leaseMs: leaseMsByState.dispatched,
      durable: true,
    });
  }

  /** Writes an end down, if the record is still the expected one. */
  end(request: KeyedRequest, from: StoredRecord, state: EndState, data = ''): Promise<SwapResult> {
    const { fingerprint } = request;
    return this.#swap(request, from, { state, fence: 'keep', fingerprint, data, leaseMs: 0 });
  }

  /**
   * Writes the end of a dispatched create down. Resolves after the first attempt,
   * whatever came of it: the caller's response does not depend on it. Later
   * attempts go on in the background.
   */
  settle(
    request: KeyedRequest,
    dispatched: StoredRecord,
    state: EndState,
    data = '',
  ): Promise<void> {
    const attempt = async (from: StoredRecord, count: number): Promise<void> => {
      try {
        const { swapped, record } = await this.end(request, from, state, data);
        const isLate = !swapped && record?.state === 'unknown' && record.fence === from.fence;
        // Another request found the lease over before this end came. The fence is the same, so it is ours to heal.
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

  #swap(
    { recordKey, keepMs: ownKeepMs }: KeyedRequest,
    expected: StoredRecord | undefined,
    write: Pick<RecordWrite, 'fence' | 'fingerprint' | 'leaseMs'> &
      Partial<RecordWrite> & { readonly state: RecordState },
  ): Promise<SwapResult> {
    return this.#store.swapRecord(recordKey, expected, {
      data: '',
      durable: false,
      keepMs: ownKeepMs ?? (write.state === 'failed' ? keepFailedMs : keepMs),
      ...write,
    });
  }
}
