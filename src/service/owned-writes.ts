import type { Clock } from '../clock/clock.ts';
import type { RenderedImage, Renderer } from '../renderers/renderer.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { isDiskFull, type DiskReserve } from './disk-reserve.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import type { ImageStore } from './image-store.ts';
import {
  fail,
  requeue,
  store as storeImage,
  succeed,
  type OperationFailure,
  type OperationRecord,
  type RecordChange,
  type StoredImage,
} from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';

export interface OwnedWritesOptions {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly reserve: DiskReserve;
  readonly renderer: Renderer;
  readonly clock: Clock;
  readonly observer: DispatcherObserver;
  /** Under which this process owns; what is written under an older one is refused. */
  readonly epoch: () => number | undefined;
}

const retryMs = 1_000;
/** No epoch is below 1, so that a process that does not own changes nothing. */
const noEpoch = 0;

/**
 * What the owner of a store writes about attempts. A write that fails is tried
 * again until it succeeds or the process stops: an image that was paid for, and
 * an end that is known, must not be lost to a full disk.
 */
export class OwnedWrites {
  readonly #options: OwnedWritesOptions;
  #isStopped = false;

  constructor(options: OwnedWritesOptions) {
    this.#options = options;
  }

  /** Gives up what can't be written, as the process ends. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Keeps the image of an attempt, and ends the operation with it. */
  async image(id: string, fence: number, image: RenderedImage): Promise<void> {
    const { images } = this.#options;
    const stored = await this.#persist(id, () => images.put(id, fence, image));
    if (stored !== undefined) await this.storedImage(id, stored);
  }

  /** Ends the operation with an image that is on disk. */
  async storedImage(id: string, image: StoredImage): Promise<void> {
    const stored = await this.#change(id, storeImage(image, this.#nowMs()));
    if (stored === undefined) this.#options.observer.late(id);
    else await this.success(id);
  }

  /** Ends an operation whose record names its image. */
  async success(id: string): Promise<void> {
    const { isRepeatable: keepsPlan } = this.#options.renderer;
    await this.#change(id, succeed({ nowMs: this.#nowMs(), keepsPlan }));
  }

  /** Ends a queued operation without an image. */
  async queuedFailure(id: string, failure: OperationFailure): Promise<void> {
    await this.#change(id, fail(failure, this.#nowMs()));
  }

  /** The end of an attempt without an image. @returns The record, when it is queued again. */
  async attemptEnd(
    { id, fence }: OperationRecord,
    end: AttemptEnd,
  ): Promise<OperationRecord | undefined> {
    const nowMs = this.#nowMs();
    if (end.kind === 'fail') {
      await this.#change(id, fail(end.failure, nowMs, fence));
      return undefined;
    }
    const { givesBack, afterMs } = end;
    return this.#change(id, requeue(fence, { nowMs, dueAtMs: nowMs + afterMs, givesBack }));
  }

  #change(id: string, change: RecordChange): Promise<OperationRecord | undefined> {
    const { store, epoch } = this.#options;
    return this.#persist(id, () => store.change(id, change, epoch() ?? noEpoch));
  }

  async #persist<Result>(id: string, work: () => Promise<Result>): Promise<Result | undefined> {
    const { reserve, observer, clock } = this.#options;
    for (;;) {
      try {
        return await work();
      } catch (error) {
        observer.writeFailed(id, error);
        if (isDiskFull(error)) await reserve.release().catch(() => undefined);
        if (this.#isStopped) return undefined;
        await new Promise<void>((resolve) => clock.after(retryMs, resolve));
      }
    }
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}
