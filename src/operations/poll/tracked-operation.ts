import { GatewayError } from '../../errors/gateway-error.ts';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { Reason } from '../../errors/reason.ts';
import type { CancelTimer } from '../../clock/clock.ts';
import type { Outcome } from '../../translation/outcome.ts';
import { unknownOperation, type SealedOperation } from '../operation-id.ts';
import type { OperationView, ReadResult, Waiter } from './operation-view.ts';
import type { OperationAge } from './poll-schedule.ts';
import { snapshotAfter, snapshotFromSealed, type OperationSnapshot } from '../result/snapshot.ts';

/**
 * What this process knows of an operation.
 *
 * - `unseen`: only its id. The upstream has reported nothing about it yet.
 * - `running`: the upstream has it, and it was running when last heard of.
 * - `settled`: it succeeded, failed or was canceled. This never changes again.
 * - `gone`: the upstream no longer has it.
 *
 * `problem` is why the last read brought nothing; the next one that does clears it.
 */
type Knowledge =
  | { readonly kind: 'unseen' | 'running'; readonly problem: GatewayError | undefined }
  | { readonly kind: 'settled' }
  | { readonly kind: 'gone'; readonly error: GatewayError };

/**
 * What is done to learn more.
 *
 * - `idle`: nothing. No caller waits, or there is nothing left to learn.
 * - `armed`: a timer or a place in the read queue leads to the next poll.
 * - `reading`: a read of the upstream is under way. At most one at a time.
 */
type Poll =
  | { readonly kind: 'idle' }
  | { readonly kind: 'armed'; readonly cancel: CancelTimer }
  | { readonly kind: 'reading'; readonly result: Promise<ReadResult> };

const idle: Poll = { kind: 'idle' };

/** Refusals of a credential, the gateway's or the caller's own: waiting does not help. */
const credentialReasons: ReadonlySet<Reason> = new Set([
  'upstream_auth',
  'unauthenticated',
  'permission_denied',
]);

/**
 * One operation as far as this process knows it, who waits for it, and what is
 * being done to learn more. Changes only by its methods, each of them one event.
 */
export class TrackedOperation {
  readonly view: OperationView;
  readonly sealed: SealedOperation;
  /** Both in monotonic time of this process. */
  readonly #acceptedAtMs: number;
  readonly #foundAtMs: number;
  #snapshot: OperationSnapshot;
  #knowledge: Knowledge = { kind: 'unseen', problem: undefined };
  #poll: Poll = idle;
  readonly #waiters = new Set<Waiter>();
  #nextPollAtMs = -Infinity;
  #polls = 0;
  #failures = 0;
  #badResults = 0;
  #ranForMs = 0;
  #wasSeen = false;

  /** @param times In monotonic time of this process; `acceptedAtMs` is undefined when it can't be known. */
  constructor(
    view: OperationView,
    sealed: SealedOperation,
    times: { readonly acceptedAtMs: number | undefined; readonly foundAtMs: number },
  ) {
    this.view = view;
    this.sealed = sealed;
    this.#acceptedAtMs = times.acceptedAtMs ?? -Infinity;
    this.#foundAtMs = times.foundAtMs;
    this.#snapshot = snapshotFromSealed(view.id, sealed);
  }

  /** Whose limits it counts against, and whose turn a read of it is. */
  get owner(): string {
    return this.view.subject ?? this.view.tenant;
  }

  get snapshot(): OperationSnapshot {
    return this.#snapshot;
  }

  /** Whether the upstream has not reported anything about it to this process. */
  get isUnseen(): boolean {
    return this.#knowledge.kind === 'unseen';
  }

  /**
   * Whether there is such an operation for this caller: the upstream has reported
   * on it, or the id was sealed for the caller. A caller with a credential of its
   * own may have invented both the id and the credential.
   */
  get #isConfirmed(): boolean {
    return this.#wasSeen || this.view.passthrough === undefined;
  }

  /** Whether it is worth remembering for a later request. */
  get isWorthKeeping(): boolean {
    return this.#isConfirmed || this.isInUse;
  }

  /** Whether there is nothing left to learn: it has ended, or is gone. */
  get isOver(): boolean {
    return this.#knowledge.kind === 'settled' || this.#knowledge.kind === 'gone';
  }

  /** Whether forgetting it would take something from a caller or from a read under way. */
  get isInUse(): boolean {
    return this.#waiters.size > 0 || this.#poll.kind === 'reading';
  }

  /** Why the upstream no longer has it; undefined while it may. */
  get expired(): GatewayError | undefined {
    return this.#knowledge.kind === 'gone' ? this.#knowledge.error : undefined;
  }

  /** The read that is under way. */
  get reading(): Promise<ReadResult> | undefined {
    return this.#poll.kind === 'reading' ? this.#poll.result : undefined;
  }

  /** Reads of the upstream so far. */
  get polls(): number {
    return this.#polls;
  }

  /** How long it was seen running since this process found it. */
  get ranForMs(): number {
    return this.#ranForMs;
  }

  age(elapsedMs: number): OperationAge {
    return {
      ms: Math.max(0, elapsedMs - this.#acceptedAtMs),
      followedMs: Math.max(0, elapsedMs - this.#foundAtMs),
    };
  }

  /** Milliseconds until the next poll; negative when it is overdue. */
  dueInMs(elapsedMs: number): number {
    return this.#nextPollAtMs - elapsedMs;
  }

  /**
   * The snapshot to show to a caller.
   *
   * @throws GatewayError when there is none worth showing: the operation is gone,
   * the credential was refused, or nothing at all is known because of an error.
   */
  snapshotOrThrow(): OperationSnapshot {
    const knowledge = this.#knowledge;
    if (knowledge.kind === 'gone') throw knowledge.error;
    if (knowledge.kind === 'settled') return this.#snapshot;
    const { problem = this.#isConfirmed ? undefined : notConfirmed() } = knowledge;
    if (problem === undefined) return this.#snapshot;
    // Another caller's operation looks like one that never was.
    if (problem.reason === 'permission_denied') throw unknownOperation();
    if (knowledge.kind === 'unseen' || credentialReasons.has(problem.reason)) throw problem;
    return this.#snapshot;
  }

  /** The next poll is due at this moment, in monotonic time. */
  pollAt(elapsedMs: number): void {
    this.#nextPollAtMs = elapsedMs;
  }

  /** The upstream has it, and reported no more than that. */
  seen(): void {
    this.#wasSeen = true;
    if (!this.isOver) this.#knowledge = { kind: 'running', problem: undefined };
  }

  /** The upstream reported that it is still running. What has ended stays ended. */
  stillRunning(
    operation: Operation,
    { ranForMs, nowMs }: { readonly ranForMs: number; readonly nowMs: number },
  ): void {
    this.#readSucceeded();
    if (this.isOver) return;
    this.seen();
    this.#ranForMs = Math.max(this.#ranForMs, ranForMs);
    this.#snapshot = snapshotAfter(this.#snapshot, operation, { status: 'running' }, nowMs);
  }

  /**
   * The upstream reported how it ended; `operation` is absent when it reported
   * nothing else. An image stays an image, whatever a later read brings.
   *
   * @returns Whether that is news.
   */
  ended(operation: Operation | undefined, outcome: Outcome, nowMs: number): boolean {
    this.#readSucceeded();
    const isNews = !this.isOver;
    if (isNews || outcome.status === 'succeeded') {
      this.#snapshot = snapshotAfter(this.#snapshot, operation, outcome, nowMs);
      this.#knowledge = { kind: 'settled' };
    }
    return isNews;
  }

  /**
   * The upstream no longer has it.
   *
   * @returns Whether its end was not known before.
   */
  isGone(error: GatewayError): boolean {
    const isNews = !this.isOver;
    this.#knowledge = { kind: 'gone', error };
    return isNews;
  }

  /** A read or a cancel brought nothing; what was known stays. */
  failed(problem: GatewayError): void {
    const { kind } = this.#knowledge;
    if (kind === 'unseen' || kind === 'running') this.#knowledge = { kind, problem };
  }

  /** One more read goes to the upstream. */
  countPoll(): void {
    this.#polls += 1;
  }

  /** One more read in a row brought nothing. @returns How many that are. */
  countFailure(): number {
    return (this.#failures += 1);
  }

  /** One more result in a row was no image. @returns How many that are. */
  countBadResult(): number {
    return (this.#badResults += 1);
  }

  /** A timer or a place in a queue leads to the next poll. */
  arm(cancel: CancelTimer): void {
    this.#poll = { kind: 'armed', cancel };
  }

  /** Whether a poll could be armed now: none is, and none is under way. */
  get isIdle(): boolean {
    return this.#poll.kind === 'idle';
  }

  /** Gives up the poll that is armed. */
  disarm(): void {
    if (this.#poll.kind !== 'armed') return;
    this.#poll.cancel();
    this.#poll = idle;
  }

  /** A read of the upstream is under way. */
  readBegan(result: Promise<ReadResult>): void {
    this.disarm();
    this.#poll = { kind: 'reading', result };
  }

  /** The read that was under way has ended. */
  readEnded(): void {
    this.#poll = idle;
  }

  get waiters(): number {
    return this.#waiters.size;
  }

  join(waiter: Waiter): void {
    this.#waiters.add(waiter);
  }

  /** @returns Whether the waiter was still waiting. */
  leave(waiter: Waiter): boolean {
    return this.#waiters.delete(waiter);
  }

  /** Hands over all who wait; from then on no caller waits. */
  takeWaiters(): readonly Waiter[] {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    return waiters;
  }

  #readSucceeded(): void {
    this.#wasSeen = true;
    this.#failures = 0;
    this.#badResults = 0;
  }
}

function notConfirmed(): GatewayError {
  return new GatewayError('overloaded', 'the upstream could not be asked about it in time', {
    retryAfterS: 5,
  });
}
