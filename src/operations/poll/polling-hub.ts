import { GatewayError } from '../../errors/gateway-error.ts';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import { outcomeFromOperation, type Outcome } from '../../translation/outcome.ts';
import { CircuitOpen } from '../breaker/guarded-upstream.ts';
import type { Release } from '../result/image-memory.ts';
import type { Clock } from '../../clock/clock.ts';
import type { PollSchedule } from './poll-schedule.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';
import type { ReadQueue } from './read-queue.ts';
import type { ResultCache } from '../result/result-cache.ts';
import { snapshotAfter } from '../result/snapshot.ts';
import {
  isSettled,
  type ReadResult,
  type TrackedOperation,
  type Waiter,
} from './tracked-operation.ts';

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
  readonly observer?: PollingObserver | undefined;
}

/** What happens while nobody is there to be told. */
export interface PollingObserver {
  /** A read brought nothing; the next one comes by schedule. */
  readFailed(error: GatewayError): void;
  /** The operation has ended, or is gone: told once. */
  settled?(operationId: string, end: OperationEnd): void;
}

/** How an operation ended, as far as this process followed it. */
export interface OperationEnd {
  readonly outcome: 'succeeded' | 'failed' | 'canceled' | 'expired';
  /** From accepted to done; undefined when nobody can tell. */
  readonly tookMs: number | undefined;
  /** Reads of the upstream it took. */
  readonly polls: number;
}

/** Waiters woken in one turn of the loop, so that a popular image does not stall everybody else. */
const wakesPerTurnMax = 200;
/** A result that is no image is believed when it was read so many times in a row. */
const badResultsMax = 3;
/** The upstream may not know an operation yet that it has just accepted. */
const notFoundGraceMs = 30_000;

/**
 * Asks the upstream about operations: at most one read of an operation in
 * flight however many wait for it, none once it is finished, none while nobody
 * waits.
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

  /** Who waits now, and for how many operations. */
  get waiting(): { readonly waiters: number; readonly operations: number } {
    return { waiters: this.#waiters, operations: this.#awaited };
  }

  /** Tells the waiter when the operation is settled. Returns how to leave before that. */
  join(tracked: TrackedOperation, waiter: Waiter): () => void {
    if (tracked.waiters.size === 0) this.#awaited += 1;
    tracked.waiters.add(waiter);
    this.#waiters += 1;
    this.#arm(tracked);
    return () => {
      if (!tracked.waiters.delete(waiter)) return;
      this.#waiters -= 1;
      if (tracked.waiters.size > 0) return;
      this.#awaited -= 1;
      this.#disarm(tracked);
    };
  }

  /** Tells everybody who waits, settled or not. */
  release(tracked: TrackedOperation): void {
    this.#wake(tracked);
  }

  /** Reads now, or joins the read that is under way. Never rejects. */
  read(tracked: TrackedOperation): Promise<ReadResult> {
    tracked.reading ??= this.#read(tracked).finally(() => {
      tracked.reading = undefined;
      this.#arm(tracked);
    });
    return tracked.reading;
  }

  /** Takes in what the upstream says of an operation, however it came to be known. */
  apply(tracked: TrackedOperation, operation: Operation): ReadResult {
    if (operation.id !== tracked.sealed.upstreamId) {
      return this.#failed(
        tracked,
        new GatewayError('bad_upstream_result', 'the upstream answered about another operation'),
      );
    }
    const outcome = outcomeFromOperation(operation, { imageBytesMax: this.#options.imageBytesMax });
    const isBad = outcome.status === 'failed' && outcome.failure.reason === 'bad_upstream_result';
    if (isBad && tracked.badResults < badResultsMax - 1) {
      tracked.badResults += 1;
      return this.#failed(
        tracked,
        new GatewayError('bad_upstream_result', outcome.failure.message),
      );
    }
    tracked.known = true;
    tracked.lastError = undefined;
    tracked.failures = 0;
    return this.#advance(tracked, operation, outcome);
  }

  #advance(tracked: TrackedOperation, operation: Operation, outcome: Outcome): ReadResult {
    const { clock, schedule, results } = this.#options;
    const nowMs = clock.nowMs();
    const ageMs = Math.max(0, nowMs - tracked.sealed.acceptedAtMs);
    const wasSettled = isSettled(tracked);
    tracked.snapshot = snapshotAfter(tracked.snapshot, operation, outcome, nowMs);
    if (outcome.status === 'running') {
      tracked.runningAgeMs = Math.max(tracked.runningAgeMs, ageMs);
      tracked.nextPollAtMs = nowMs + schedule.delayMs(ageMs);
      return {};
    }
    if (!wasSettled) {
      const tookMs = durationMs(tracked, operation, nowMs);
      if (outcome.status === 'succeeded' && tookMs !== undefined) schedule.record(tookMs);
      this.#settled(tracked, outcome.status, tookMs);
    }
    if (outcome.status !== 'succeeded') return {};
    results.set(tracked.key, outcome.image.bytes);
    return { bytes: outcome.image.bytes };
  }

  async #read(tracked: TrackedOperation): Promise<ReadResult> {
    let release: Release | undefined;
    try {
      release = await this.#options.roomToRead();
      tracked.polls += 1;
      return this.apply(tracked, await this.#options.read(tracked));
    } catch (error) {
      const known =
        error instanceof GatewayError
          ? error
          : new GatewayError('internal_error', 'an answer could not be read', { cause: error });
      return this.#refused(tracked, known);
    } finally {
      release?.();
    }
  }

  /** A read that brought an error: most are passing, two are final. */
  #refused(tracked: TrackedOperation, error: GatewayError): ReadResult {
    const nowMs = this.#options.clock.nowMs();
    if (error.reason === 'operation_not_found') {
      const ageMs = nowMs - tracked.sealed.acceptedAtMs;
      if (ageMs < notFoundGraceMs) {
        tracked.known = true;
        tracked.nextPollAtMs = nowMs + this.#options.schedule.delayMs(ageMs);
        return {};
      }
      tracked.expired = new GatewayError(
        'operation_expired',
        'the upstream no longer holds this operation',
        { cause: error },
      );
      this.#settled(tracked, 'expired');
      return { error: tracked.expired };
    }
    if (error.reason === 'upstream_message_too_large' && !isSettled(tracked)) {
      const failure = { code: 13, message: error.detail, details: [], reason: error.reason };
      const outcome: Outcome = { status: 'failed', failure };
      tracked.snapshot = snapshotAfter(tracked.snapshot, undefined, outcome, nowMs);
      this.#settled(tracked, 'failed');
      return {};
    }
    return this.#failed(tracked, error);
  }

  #failed(tracked: TrackedOperation, error: GatewayError): ReadResult {
    const { clock, schedule, readRateLimiter } = this.#options;
    tracked.lastError = error;
    if (error instanceof CircuitOpen) {
      // Nobody was asked, so it says nothing about this operation.
      tracked.nextPollAtMs = clock.nowMs() + error.retryAfterMs;
      return { error };
    }
    this.#options.observer?.readFailed(error);
    if (error.reason === 'quota_exceeded') readRateLimiter.refused(clock.nowMs());
    tracked.failures += 1;
    const backoffMs = schedule.delayAfterFailureMs(tracked.failures);
    const askedMs = (error.retryAfterS ?? 0) * 1000;
    tracked.nextPollAtMs = clock.nowMs() + Math.max(backoffMs, askedMs);
    return { error };
  }

  #arm(tracked: TrackedOperation): void {
    const isIdle = tracked.waiters.size === 0 || tracked.reading !== undefined;
    if (isIdle || tracked.cancelTimer !== undefined || isSettled(tracked)) return;
    const { clock, readQueue, openForMs } = this.#options;
    const delayMs = Math.max(0, tracked.nextPollAtMs - clock.nowMs());
    tracked.cancelTimer = clock.after(delayMs, () => {
      const heldMs = openForMs();
      if (heldMs > 0) {
        tracked.cancelTimer = undefined;
        tracked.nextPollAtMs = clock.nowMs() + heldMs;
        return this.#arm(tracked);
      }
      if (readQueue.tryTake()) return this.#poll(tracked);
      tracked.cancelTimer = readQueue.join(() => this.#poll(tracked));
    });
  }

  #poll(tracked: TrackedOperation): void {
    tracked.cancelTimer = undefined;
    void this.read(tracked);
  }

  #disarm(tracked: TrackedOperation): void {
    tracked.cancelTimer?.();
    tracked.cancelTimer = undefined;
  }

  #settled(tracked: TrackedOperation, outcome: OperationEnd['outcome'], tookMs?: number): void {
    const { polls, snapshot } = tracked;
    this.#options.observer?.settled?.(snapshot.id, { outcome, tookMs, polls });
    this.#wake(tracked);
  }

  #wake(tracked: TrackedOperation): void {
    this.#disarm(tracked);
    const waiters = [...tracked.waiters];
    tracked.waiters.clear();
    this.#waiters -= waiters.length;
    if (waiters.length > 0) this.#awaited -= 1;
    const wakeFrom = (start: number) => {
      for (const waiter of waiters.slice(start, start + wakesPerTurnMax)) waiter.tell();
      if (start + wakesPerTurnMax < waiters.length) {
        this.#options.clock.nextTurn(() => wakeFrom(start + wakesPerTurnMax));
      }
    };
    wakeFrom(0);
  }
}

/** A poll later than that after its moment says when somebody came by, not when the work was done. */
const onTimeMs = 2_000;

/**
 * How long the work took: as the upstream tells it, else half way between the
 * last time it was seen running and now. A first look that finds it done says
 * only "sooner than this", so it counts as a little sooner; that lets the
 * schedule find its way down.
 *
 * @returns Undefined when nobody can tell.
 */
function durationMs(
  tracked: TrackedOperation,
  operation: Operation,
  nowMs: number,
): number | undefined {
  const ageMs = Math.max(0, nowMs - tracked.sealed.acceptedAtMs);
  const { createdAt, modifiedAt } = operation;
  if (createdAt !== undefined && modifiedAt !== undefined) {
    const toldMs =
      Number(modifiedAt.seconds - createdAt.seconds) * 1000 +
      (modifiedAt.nanos - createdAt.nanos) / 1e6;
    if (toldMs >= tracked.runningAgeMs && toldMs <= ageMs) return toldMs;
  }
  if (nowMs - tracked.nextPollAtMs > onTimeMs) return undefined;
  return tracked.runningAgeMs === 0 ? ageMs * 0.9 : (tracked.runningAgeMs + ageMs) / 2;
}
