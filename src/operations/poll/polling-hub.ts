import { GatewayError } from '../../errors/gateway-error.ts';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { Reason } from '../../errors/reason.ts';
import { badResult, outcomeFromOperation, type Outcome } from '../../translation/outcome.ts';
import { CircuitOpen } from '../breaker/guarded-upstream.ts';
import type { Release } from '../result/image-memory.ts';
import type { Clock } from '../../clock/clock.ts';
import type { PollSchedule } from './poll-schedule.ts';
import type { OperationEnd, PollingObserver } from './polling-observer.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';
import type { ReadQueue } from './read-queue.ts';
import type { ResultCache } from '../result/result-cache.ts';
import { durationMsOf } from './observed-duration.ts';
import type { ReadResult, Waiter } from './operation-view.ts';
import type { TrackedOperation } from './tracked-operation.ts';

/** Reads one operation from the upstream; rejects with a GatewayError. */
export type ReadOperation = (tracked: TrackedOperation) => Promise<Operation>;

export interface PollingHubOptions {
  readonly clock: Clock;
  readonly schedule: PollSchedule;
  readonly readRateLimiter: ReadRateLimiter;
  readonly readQueue: ReadQueue;
  readonly results: ResultCache;
  readonly read: ReadOperation;
  /** Room for what one read may bring; rejects with a GatewayError. */
  readonly roomToRead: () => Promise<Release>;
  /** Milliseconds for which a read would only be refused; 0 when it may go. */
  readonly openForMs: () => number;
  readonly imageBytesMax: number;
  /** Whether the upstream is the service. */
  readonly isService?: boolean | undefined;
  readonly observer?: PollingObserver | undefined;
}

/** Waiters woken in one turn of the loop, so that a popular image does not stall all other callers. */
const wakesPerTurnMax = 200;
/** A result that is no image is believed when it was read so many times in a row. */
const badResultsMax = 3;
type FailedOutcome = Extract<Outcome, { readonly status: 'failed' }>;

/** Failures of the result, not of the generation: the image was made, and may still be at the upstream. */
const lostReasons: ReadonlySet<Reason> = new Set([
  'bad_upstream_result',
  'upstream_message_too_large',
]);
/** The upstream may not know an operation yet that it has just accepted. */
const notFoundGraceMs = 30_000;

/**
 * Asks the upstream about operations: at most one read of an operation in
 * flight however many wait for it, none once it is finished, none while no
 * caller waits.
 *
 * A read that fails changes nothing but the time of the next one: the schedule
 * is the retry policy.
 */
export class PollingHub {
  readonly #options: PollingHubOptions;
  #waiters = 0;
  #awaited = 0;

  constructor(options: PollingHubOptions) {
    this.#options = options;
  }

  /** How many callers wait now, and for how many operations. */
  get waiting(): { readonly waiters: number; readonly operations: number } {
    return { waiters: this.#waiters, operations: this.#awaited };
  }

  /** Wakes the waiter when the operation is over. Returns how to leave before that. */
  join(tracked: TrackedOperation, waiter: Waiter): () => void {
    if (tracked.waiters === 0) this.#awaited += 1;
    tracked.join(waiter);
    this.#waiters += 1;
    this.#arm(tracked);
    return () => {
      if (!tracked.leave(waiter)) return;
      this.#waiters -= 1;
      if (tracked.waiters > 0) return;
      this.#awaited -= 1;
      tracked.disarm();
    };
  }

  /** Wakes all who wait for an operation, over or not. */
  release(tracked: TrackedOperation): void {
    this.#wake(tracked);
  }

  /** Reads now, or joins the read that is under way. Never rejects. */
  read(tracked: TrackedOperation): Promise<ReadResult> {
    if (tracked.reading !== undefined) return tracked.reading;
    const result = this.#read(tracked).finally(() => {
      tracked.readEnded();
      this.#arm(tracked);
    });
    tracked.readBegan(result);
    return result;
  }

  /** Takes in what the upstream reports of an operation, however that came to be known. */
  apply(tracked: TrackedOperation, operation: Operation): ReadResult {
    if (operation.id !== tracked.sealed.upstreamId) {
      return this.#failed(
        tracked,
        new GatewayError('bad_upstream_result', 'the upstream answered about another operation'),
      );
    }
    const outcome = outcomeFromOperation(operation, this.#options);
    const isBad = outcome.status === 'failed' && outcome.failure.reason === 'bad_upstream_result';
    const badResults = isBad ? tracked.countBadResult() : 0;
    if (isBad && badResults < badResultsMax) return this.#readAgain(tracked, badResults, outcome);
    return this.#advance(tracked, operation, outcome);
  }

  #advance(tracked: TrackedOperation, operation: Operation, outcome: Outcome): ReadResult {
    const { clock, schedule, results } = this.#options;
    const atMs = clock.elapsedMs();
    if (outcome.status === 'running') {
      const age = tracked.age(atMs);
      this.#options.observer?.stillRunning?.(tracked, {
        ranForMs: age.followedMs,
        beforeMs: tracked.ranForMs,
      });
      tracked.stillRunning(operation, { ranForMs: age.followedMs, nowMs: clock.nowMs() });
      tracked.pollAt(atMs + schedule.delayMs(age));
      return {};
    }
    if (tracked.ended(operation, outcome, clock.nowMs())) {
      if (outcome.status === 'failed') this.#observeLost(tracked, outcome.failure.reason);
      const tookMs = durationMsOf(tracked, operation, atMs);
      if (outcome.status === 'succeeded' && tookMs !== undefined) schedule.record(tookMs);
      this.#over(tracked, outcome.status, tookMs);
    }
    if (outcome.status !== 'succeeded') return {};
    results.set(tracked.view.key, outcome.image.bytes);
    return { bytes: outcome.image.bytes };
  }

  async #read(tracked: TrackedOperation): Promise<ReadResult> {
    let release: Release | undefined;
    try {
      release = await this.#options.roomToRead();
      tracked.countPoll();
      return this.apply(tracked, await this.#options.read(tracked));
    } catch (error) {
      const known =
        error instanceof GatewayError
          ? error
          : new GatewayError('internal_error', 'a response could not be read', { cause: error });
      return this.#refused(tracked, known);
    } finally {
      release?.();
    }
  }

  /** A read that brought an error: most are passing, two are final. */
  #refused(tracked: TrackedOperation, error: GatewayError): ReadResult {
    if (error.reason === 'operation_not_found') return this.#notFound(tracked, error);
    if (error.reason === 'upstream_message_too_large' && !tracked.isOver) {
      tracked.ended(undefined, badResult(error.detail, error.reason), this.#options.clock.nowMs());
      this.#observeLost(tracked, error.reason);
      this.#over(tracked, 'failed');
      return {};
    }
    return this.#failed(tracked, error);
  }

  /** A result that is no image may be a mishap on the way: it is read again soon, before it is believed. */
  #readAgain(
    tracked: TrackedOperation,
    badResults: number,
    { failure }: FailedOutcome,
  ): ReadResult {
    const { clock, schedule } = this.#options;
    const error = new GatewayError('bad_upstream_result', failure.message);
    tracked.failed(error);
    tracked.pollAt(clock.elapsedMs() + schedule.delayAfterBadResultMs(badResults));
    this.#observeFailure(tracked, error);
    return { error };
  }

  #observeFailure({ view }: TrackedOperation, error: GatewayError): void {
    this.#options.observer?.readFailed({ error, operationId: view.id });
  }

  #observeLost({ view, sealed: { upstreamId } }: TrackedOperation, reason: Reason): void {
    if (!lostReasons.has(reason)) return;
    this.#options.observer?.resultLost?.({ operationId: view.id, upstreamId, reason });
  }

  #notFound(tracked: TrackedOperation, cause: GatewayError): ReadResult {
    const { clock, schedule } = this.#options;
    const atMs = clock.elapsedMs();
    const age = tracked.age(atMs);
    const ageMs = age.ms === Infinity ? age.followedMs : age.ms;
    if (ageMs < notFoundGraceMs) {
      tracked.seen();
      tracked.pollAt(atMs + schedule.delayMs(age));
      return {};
    }
    const error = new GatewayError(
      'operation_expired',
      'the upstream no longer holds this operation',
      { cause },
    );
    if (tracked.isGone(error)) this.#over(tracked, 'expired');
    return { error };
  }

  #failed(tracked: TrackedOperation, error: GatewayError): ReadResult {
    const { clock, schedule, readRateLimiter } = this.#options;
    const atMs = clock.elapsedMs();
    tracked.failed(error);
    if (error instanceof CircuitOpen) {
      // The upstream was not asked, so it says nothing about this operation.
      tracked.pollAt(atMs + error.retryAfterMs);
      return { error };
    }
    this.#observeFailure(tracked, error);
    if (error.reason === 'quota_exceeded') readRateLimiter.refused(atMs);
    const backoffMs = schedule.delayAfterFailureMs(tracked.countFailure());
    const askedMs = (error.retryAfterS ?? 0) * 1000;
    tracked.pollAt(atMs + Math.max(backoffMs, askedMs));
    return { error };
  }

  #arm(tracked: TrackedOperation): void {
    if (tracked.waiters === 0 || !tracked.isIdle || tracked.isOver) return;
    const { clock, readQueue, openForMs } = this.#options;
    const delayMs = Math.max(0, tracked.dueInMs(clock.elapsedMs()));
    const cancelTimer = clock.after(delayMs, () => {
      tracked.disarm();
      const heldMs = openForMs();
      if (heldMs > 0) {
        tracked.pollAt(clock.elapsedMs() + heldMs);
        this.#arm(tracked);
      } else if (readQueue.tryTake()) {
        void this.read(tracked);
      } else {
        tracked.arm(readQueue.join(() => void this.read(tracked), { owner: tracked.owner }));
      }
    });
    tracked.arm(cancelTimer);
  }

  #over(tracked: TrackedOperation, outcome: OperationEnd['outcome'], tookMs?: number): void {
    this.#options.observer?.over?.(tracked, { outcome, tookMs, polls: tracked.polls });
    this.#wake(tracked);
  }

  #wake(tracked: TrackedOperation): void {
    tracked.disarm();
    const waiters = tracked.takeWaiters();
    this.#waiters -= waiters.length;
    if (waiters.length > 0) this.#awaited -= 1;
    const wakeFrom = (start: number) => {
      for (const waiter of waiters.slice(start, start + wakesPerTurnMax)) waiter.wake();
      if (start + wakesPerTurnMax < waiters.length) {
        this.#options.clock.nextTurn(() => wakeFrom(start + wakesPerTurnMax));
      }
    };
    wakeFrom(0);
  }
}
