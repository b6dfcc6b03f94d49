import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { Renderer, RenderPlan } from '../renderers/renderer.ts';
import { attemptEnd, type AttemptEnd } from './attempt-end.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import { FairQueue } from './fair-queue.ts';
import type { ImageStore } from './image-store.ts';
import { dispatch, endCodes, type OperationRecord } from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';
import { OwnedWrites } from './owned-writes.ts';
import { recover } from './recovery.ts';

export interface DispatcherOptions {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly reserve: DiskReserve;
  readonly renderer: Renderer;
  readonly clock: Clock;
  readonly observer: DispatcherObserver;
}

interface RunningAttempt {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

/** How often the queue is compared with the store, where other processes put operations. */
const rescanEveryMs = 1_000;
const writeRetryMs = 1_000;

/**
 * Renders queued operations, as many at once as the renderer takes, while this
 * process owns the store.
 *
 * Each step is written before the next one begins, so a process that ends at
 * any moment leaves a record from which `begin` of the next one goes on.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #writes: OwnedWrites;
  readonly #queue = new FairQueue();
  readonly #running = new Map<string, RunningAttempt>();
  /** Operations that were under way when the last process ended: one at a time, in case one of them ended it. */
  readonly #suspects = new Set<string>();
  #epoch: number | undefined;
  #cancelTimer: CancelTimer | undefined;
  readonly #steps = new Set<Promise<void>>();
  #isFilling = false;
  #isClosed = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#writes = new OwnedWrites({ ...options, epoch: () => this.#epoch });
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Place of a queued operation, 1 for the next; undefined where it is not known. */
  positionOf(id: string): number | undefined {
    return this.#queue.positionOf(id, this.#nowMs());
  }

  /** Takes up what there is, as the owner under `epoch`. */
  begin(epoch: number): Promise<void> {
    this.#epoch = epoch;
    return this.#follow(this.#recoverAll());
  }

  /** Another process owns from now on: nothing is begun, and what comes is late. */
  lose(): void {
    this.#epoch = undefined;
    this.#queue.clear();
    this.#suspects.clear();
  }

  /** An operation was accepted. */
  added(record: OperationRecord): void {
    if (this.#epoch === undefined) return;
    this.#queue.add(record);
    this.#schedule();
  }

  /** An operation was cancelled in the queue, or its caller no longer wants it. */
  cancelled(record: OperationRecord): void {
    this.#queue.remove(record.id);
    // Aborting a paid attempt saves nothing and loses its image.
    if (this.#options.renderer.spend === 'free') this.#running.get(record.id)?.abort.abort();
  }

  /**
   * Begins nothing more. Resolves when the attempts under way have ended, or were
   * given back to the queue after the grace.
   */
  async stop(graceMs: number): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    // What is about to be dispatched is either not, or among those that run.
    await Promise.all(this.#steps);
    const ended = Promise.all([...this.#running.values()].map(({ ended: each }) => each));
    const cancelTimer = this.#options.clock.after(graceMs, () => {
      this.#writes.stop();
      for (const { abort } of this.#running.values()) abort.abort();
    });
    await ended;
    cancelTimer();
  }

  async #recoverAll(): Promise<void> {
    for (const record of this.#options.store.unfinished()) {
      if (this.#isClosed || this.#epoch === undefined) return;
      await this.#recover(record);
    }
    this.#schedule();
  }

  /** Lets `stop` wait for a step. */
  #follow(step: Promise<void>): Promise<void> {
    this.#steps.add(step);
    return step.finally(() => this.#steps.delete(step));
  }

  async #recover(record: OperationRecord): Promise<void> {
    const recovery = await recover(record, { ...this.#options, writes: this.#writes });
    if ('record' in recovery) {
      if (recovery.how === 'repeated') this.#suspects.add(record.id);
      this.#queue.add(recovery.record);
    }
    this.#options.observer.recovered(record.id, recovery.how);
  }

  #schedule(): void {
    if (this.#isClosed || this.#epoch === undefined) return;
    this.#cancelTimer?.();
    // Where all slots are taken, the end of an attempt is what goes on from there.
    const dueAtMs = this.#running.size < this.#slots ? this.#queue.nextDueAtMs() : undefined;
    const leftMs = dueAtMs === undefined ? rescanEveryMs : dueAtMs - this.#nowMs();
    // Bounded, so that a wall clock that was set back delays nothing for long.
    const delayMs = Math.min(Math.max(leftMs, 0), rescanEveryMs);
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.#fill());
  }

  #fill(): void {
    if (this.#isFilling || this.#isClosed || this.#epoch === undefined) return;
    this.#follow(this.#fillSlots()).catch((error: unknown) => this.#options.observer.failed(error));
  }

  async #fillSlots(): Promise<void> {
    this.#isFilling = true;
    try {
      this.#rescan();
      await this.#dispatchDue();
    } finally {
      this.#isFilling = false;
      this.#schedule();
    }
  }

  /** Finds operations that other processes have accepted. */
  #rescan(): void {
    const { store } = this.#options;
    if (store.counts.queued <= this.#queue.size) return;
    for (const record of store.unfinished()) {
      if (record.state === 'queued' && !this.#running.has(record.id)) this.#queue.add(record);
    }
  }

  async #dispatchDue(): Promise<void> {
    const { reserve, store } = this.#options;
    while (!this.#isClosed && this.#epoch !== undefined && this.#running.size < this.#slots) {
      const next = this.#queue.take(this.#nowMs());
      if (next === undefined) return;
      const record = store.get(next.id);
      if (record?.state !== 'queued') continue;
      if (this.#nowMs() > record.deadlineAtMs) {
        await this.#writes.queuedFailure(record.id, overdue);
        continue;
      }
      if (!(await this.#hasRoom(reserve))) {
        this.#queue.add({ ...record, dueAtMs: this.#nowMs() + writeRetryMs });
        return;
      }
      await this.#begin(record);
    }
  }

  get #slots(): number {
    return this.#suspects.size > 0 ? 1 : this.#options.renderer.concurrency;
  }

  async #hasRoom(reserve: DiskReserve): Promise<boolean> {
    try {
      return await reserve.ensure();
    } catch {
      return false;
    }
  }

  async #begin(record: OperationRecord): Promise<void> {
    const { store, clock, observer, renderer } = this.#options;
    try {
      const change = dispatch(clock.nowMs(), renderer.name);
      const dispatched = await store.change(record.id, change, this.#epoch);
      if (dispatched?.plan === undefined) return;
      const abort = new AbortController();
      const ended = this.#attempt(dispatched, dispatched.plan, abort.signal).finally(() => {
        this.#running.delete(record.id);
        this.#suspects.delete(record.id);
        this.#fill();
      });
      this.#running.set(record.id, { abort, ended });
    } catch (error) {
      // Not written, so not begun: it stays queued.
      observer.writeFailed(record.id, error);
      this.#queue.add({ ...record, dueAtMs: this.#nowMs() + writeRetryMs });
    }
  }

  /** Never rejects. */
  async #attempt(record: OperationRecord, plan: RenderPlan, signal: AbortSignal): Promise<void> {
    const { renderer, clock, observer } = this.#options;
    const { id, fence, attempts } = record;
    const startMs = clock.elapsedMs();
    const report = (outcome: 'image' | 'requeued' | 'failed', error?: unknown) =>
      observer.attemptEnded({
        operationId: id,
        attempt: attempts,
        outcome,
        durationMs: clock.elapsedMs() - startMs,
        error,
      });
    try {
      const image = await renderer.render(plan, {
        operationId: id,
        number: attempts,
        signal,
        submitted: async () => undefined,
      });
      await this.#writes.image(id, fence, image);
      report('image');
    } catch (error) {
      const end = this.#endOf(record, error, signal);
      const queued = await this.#writes.attemptEnd(record, end);
      if (queued !== undefined && this.#epoch !== undefined) this.#queue.add(queued);
      report(end.kind === 'requeue' ? 'requeued' : 'failed', error);
    }
  }

  #endOf(record: OperationRecord, error: unknown, signal: AbortSignal): AttemptEnd {
    const { store, renderer } = this.#options;
    if (store.get(record.id)?.isCancelWanted === true) {
      return { kind: 'fail', failure: cancelled };
    }
    const isStopped = signal.aborted && renderer.spend === 'free';
    if (isStopped) return { kind: 'requeue', afterMs: 0, givesBack: true };
    return attemptEnd(error, { spend: renderer.spend, attempts: record.attempts });
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}

const overdue = {
  code: endCodes.deadline,
  message: 'the operation waited in the queue until its deadline; nothing was spent',
};
const cancelled = { code: endCodes.cancelled, message: 'the operation was cancelled' };
