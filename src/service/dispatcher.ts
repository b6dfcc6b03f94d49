import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { Renderer } from '../renderers/renderer.ts';
import { Attempts } from './attempt.ts';
import { BackendGate, type ShutCause } from './backend-gate.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import { FairQueue } from './fair-queue.ts';
import type { FinishImage } from './finishing.ts';
import type { ImageStore } from './image-store.ts';
import { neverSent, overdue, type OperationRecord } from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';
import { OwnedWrites } from './owned-writes.ts';
import { recover } from './recovery.ts';
import { RunningAttempts } from './running-attempts.ts';
import { spentDay } from './spent-day.ts';
import { deadlineLeftMs, dueInMs } from './time-left.ts';

export interface DispatcherOptions {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly reserve: DiskReserve;
  readonly renderer: Renderer;
  readonly clock: Clock;
  readonly observer: DispatcherObserver;
  /** Images that the backend may make on one day, in UTC. */
  readonly imagesPerDayMax?: number | undefined;
  /** What an image goes through after it is kept; absent: nothing. */
  readonly finish?: FinishImage | undefined;
}

/** How often the queue is compared with the store, where other processes put operations. */
const rescanEveryMs = 1_000;
const writeRetryMs = 1_000;

/**
 * Renders queued operations, as many at once as the renderer takes, while this
 * process owns the store.
 *
 * Each step is written before the next one begins, so a process that ends at
 * any moment leaves a record from which `begin` of the next one goes on. Times in
 * this process are monotonic: a step of the wall clock delays nothing.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #writes: OwnedWrites;
  readonly #gate: BackendGate;
  readonly #attempts: Attempts;
  readonly #queue = new FairQueue();
  readonly #running = new RunningAttempts();
  /** Operations that were under way when the last process ended: one at a time, in case one of them ended it. */
  readonly #suspects = new Set<string>();
  #epoch: number | undefined;
  #cancelTimer: CancelTimer | undefined;
  readonly #steps = new Set<Promise<void>>();
  #isFilling = false;
  #isClosed = false;

  constructor(options: DispatcherOptions) {
    const { renderer, clock, observer } = options;
    this.#options = options;
    this.#writes = new OwnedWrites({ ...options, epoch: () => this.#epoch });
    this.#gate = new BackendGate({
      ...{ renderer, clock },
      isPaused: () => options.store.isPaused(renderer.name),
      changed: (cause) => {
        observer.backendChanged(renderer.name, cause);
        this.#schedule();
      },
    });
    this.#attempts = new Attempts({
      ...{ ...options, writes: this.#writes, gate: this.#gate },
      isStopping: () => this.#isClosed,
      isLost: () => this.#epoch === undefined,
      deadlineLeftMs: (record) => deadlineLeftMs(record, clock.nowMs()),
    });
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Why the backend is not asked for now; undefined while it is. */
  get shutCause(): ShutCause | undefined {
    return this.#gate.shutCause;
  }

  /** Milliseconds after which a backend that is shut off may be asked again. */
  get opensInMs(): number {
    return this.#gate.opensInMs;
  }

  /** Whether the backend has made all images that it may make today. */
  get isDayUsedUp(): boolean {
    const { store, renderer, clock, imagesPerDayMax } = this.#options;
    if (imagesPerDayMax === undefined) return false;
    return store.spentOn(renderer.name, spentDay(clock.nowMs())) >= imagesPerDayMax;
  }

  /** Place of a queued operation, 1 for the next; undefined where it is not known. */
  positionOf(id: string): number | undefined {
    return this.#queue.positionOf(id, this.#elapsedMs());
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
    this.#enqueue(record);
    this.#schedule();
  }

  /** An operation was cancelled in the queue, or its caller no longer wants it. */
  cancelled(record: OperationRecord): void {
    if (this.#queue.remove(record.id)) this.#suspects.delete(record.id);
    // Where aborting saves nothing, it only loses the image.
    if (this.#options.renderer.stopsOnAbort === true) this.#running.abort(record);
  }

  /**
   * Begins nothing more. Resolves when the attempts under way have ended, or were
   * given back to the queue after the grace.
   */
  async stop(graceMs: number): Promise<void> {
    const { clock } = this.#options;
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#gate.close();
    // What is about to be dispatched is either not, or among those that run.
    await Promise.all(this.#steps);
    await this.#running.end(graceMs, clock, () => this.#writes.stop());
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
    // This process lost the store for a while and has it back: its own attempt goes on.
    if (this.#running.has(record)) return;
    const recovery = await recover(record, { ...this.#options, writes: this.#writes });
    if (recovery.how === 'submitted') this.#run(recovery.record);
    else if ('record' in recovery) {
      if (recovery.how === 'repeated') this.#suspects.add(record.id);
      this.#enqueue(recovery.record);
    }
    this.#options.observer.recovered(record.id, recovery.how);
  }

  #enqueue(record: OperationRecord, dueMs = 0): void {
    if (this.#epoch === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    this.#queue.add({
      ...{ id: record.id, owner: record.owner },
      dueAtMs: this.#elapsedMs() + Math.max(dueInMs(record, nowMs), dueMs),
      deadlineAtMs: this.#elapsedMs() + deadlineLeftMs(record, nowMs),
    });
  }

  #schedule(): void {
    if (this.#isClosed || this.#epoch === undefined) return;
    this.#cancelTimer?.();
    // Where nothing can be begun, the end of an attempt or the backend's opening is what goes on from there.
    const dueAtMs = this.#canBegin ? this.#queue.nextDueAtMs() : undefined;
    const leftMs = dueAtMs === undefined ? rescanEveryMs : dueAtMs - this.#elapsedMs();
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
      this.#gate.notePause();
      this.#rescan();
      await this.#endOverdue();
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
      if (record.state === 'queued') this.#enqueue(record);
    }
  }

  async #endOverdue(): Promise<void> {
    for (const { id } of this.#queue.takeOverdue(this.#elapsedMs())) {
      this.#suspects.delete(id);
      const isUnreachable =
        this.#gate.shutCause === 'unreachable' ||
        this.#options.store.get(id)?.wasUnreachable === true;
      await this.#writes.queuedFailure(id, isUnreachable ? neverSent : overdue);
    }
  }

  async #dispatchDue(): Promise<void> {
    const { reserve, store } = this.#options;
    while (this.#canBegin) {
      const next = this.#queue.take(this.#elapsedMs());
      if (next === undefined) return;
      const record = store.get(next.id);
      if (record?.state !== 'queued') {
        this.#suspects.delete(next.id);
        continue;
      }
      if (!(await this.#hasRoom(reserve))) {
        this.#enqueue(record, writeRetryMs);
        return;
      }
      await this.#begin(record);
    }
  }

  get #canBegin(): boolean {
    if (this.#isClosed || this.#epoch === undefined) return false;
    if (this.#gate.shutCause !== undefined || this.isDayUsedUp) return false;
    return this.#running.size < this.#slots;
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
    try {
      const dispatched = await this.#writes.dispatched(record.id);
      if (dispatched === undefined) this.#suspects.delete(record.id);
      else this.#run(dispatched);
    } catch (error) {
      // Not written, so not begun: it stays queued.
      this.#options.observer.writeFailed(record.id, error);
      this.#enqueue(record, writeRetryMs);
    }
  }

  /** Makes an attempt, or goes on with a submitted one; it holds its slot until it has ended. */
  #run(record: OperationRecord): void {
    const { plan } = record;
    if (plan === undefined) return;
    const work = (signal: AbortSignal) => this.#attempts.run(record, plan, signal);
    this.#running.add(record, work, (queued) => {
      this.#suspects.delete(record.id);
      if (queued !== undefined) this.#enqueue(queued);
      this.#fill();
    });
  }

  #elapsedMs(): number {
    return this.#options.clock.elapsedMs();
  }
}
