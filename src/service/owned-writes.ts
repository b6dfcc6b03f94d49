import type { Clock } from '../clock/clock.ts';
import type { RenderedImage, Renderer } from '../renderers/renderer.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { isDiskFull, type DiskReserve } from './disk-reserve.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import { finishKept, type FinishImage } from './finishing.ts';
import type { ImageStore } from './image-store.ts';
import {
  dispatch,
  endCodes,
  fail,
  failStored,
  loseImage,
  requeue,
  store as storeImage,
  submit,
  succeed,
  takeUp,
  type OperationFailure,
  type OperationRecord,
  type RecordChange,
  type StoredImage,
} from './operation-record.ts';
import type { OperationStore, SpentChange } from './operation-store.ts';
import { spentDay } from './spent-day.ts';

export interface OwnedWritesOptions {
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
  /** Under which this process owns; what is written under an older one is refused. */
  readonly epoch: () => number | undefined;
}

/**
 * What became of an image: its operation has it, was cancelled, had ended, it
 * could not be written, or is not an image.
 */
export type ImageEnd = 'kept' | 'cancelled' | 'late' | 'lost' | 'unusable';

const noUsableImage: OperationFailure = {
  code: endCodes.internal,
  message: 'what the image model returned is not an image that can be used',
};

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

  /** Before the renderer is asked. Not tried again: what was not written did not begin. */
  async dispatched(id: string): Promise<OperationRecord | undefined> {
    const { store, renderer, observer, epoch } = this.#options;
    const nowMs = this.#nowMs();
    const spent = this.#spentToday(nowMs);
    const change = dispatch(nowMs, renderer.name, spent?.day);
    const record = await store.change(id, change, epoch() ?? noEpoch, spent);
    if (record !== undefined) {
      const waitedMs = Math.max(0, nowMs - record.dueAtMs);
      observer.dispatched({ operationId: id, backend: renderer.name, waitedMs });
    }
    return record;
  }

  /** Keeps where the result of an attempt will be found. */
  async submitted({ id, fence }: OperationRecord, reference: string): Promise<void> {
    await this.#change(id, submit(fence, reference, this.#nowMs()));
  }

  /** Counts that this process goes on with it. @returns Undefined when it has moved on. */
  takenUp({ id }: OperationRecord): Promise<OperationRecord | undefined> {
    return this.#change(id, takeUp(this.#nowMs()));
  }

  /** Keeps the image of an attempt, and ends the operation with it. */
  async image({ id, fence }: OperationRecord, image: RenderedImage): Promise<ImageEnd> {
    const { images } = this.#options;
    const stored = await this.#persist(id, () => images.put(id, fence, image));
    return stored === undefined ? 'lost' : this.storedImage(id, stored, image.bytes);
  }

  /** Ends the operation with an image that is on disk. */
  async storedImage(id: string, image: StoredImage, bytes: Uint8Array): Promise<ImageEnd> {
    const { images, observer } = this.#options;
    const record = await this.#change(id, storeImage(image, this.#nowMs()));
    if (record?.state === 'stored') return this.success(record, bytes);
    if (record === undefined) {
      observer.late(id);
      return 'late';
    }
    // Its caller no longer wants it, and no record names it.
    await images.delete(id, image).catch(() => undefined);
    return 'cancelled';
  }

  /** Ends an operation whose record names its image, once that is finished. */
  async success(record: OperationRecord, bytes: Uint8Array): Promise<ImageEnd> {
    const { id, image } = record;
    const { renderer, images } = this.#options;
    const nowMs = this.#nowMs();
    const finished = await this.#finished(record, bytes);
    if (finished === 'unusable') {
      await this.#change(id, failStored(noUsableImage, nowMs));
      return 'unusable';
    }
    const change = succeed({ nowMs, keepsPlan: renderer.isRepeatable, finished });
    const done = await this.#change(id, change);
    const isReplaced = finished?.image.isFinished === true;
    // From here on no one asks for the renderer's own file.
    if (done !== undefined && isReplaced && image !== undefined) {
      await images.delete(id, image).catch(() => undefined);
    }
    return 'kept';
  }

  /** The finished image on disk; undefined where the renderer's own is what its caller gets. */
  async #finished(record: OperationRecord, bytes: Uint8Array) {
    const { id, image, plan, takeUps = 0 } = record;
    const { finish, renderer, images } = this.#options;
    // A repeatable renderer makes what was asked for, now and when it is made again.
    if (finish === undefined || renderer.isRepeatable) return undefined;
    if (image === undefined || plan === undefined) return undefined;
    const facts = image.facts ?? { mediaType: plan.mediaType, modelVersion: '' };
    const finished = await finishKept(
      { bytes, mediaType: facts.mediaType },
      { finish, mediaTypeWanted: plan.mediaType, triesBefore: takeUps },
    );
    if (finished === 'unusable') return finished;
    const { lost, mediaType } = finished;
    if (Buffer.compare(finished.bytes, bytes) === 0)
      return lost.length > 0 ? { image, lost } : undefined;
    const kept = await this.#persist(id, () =>
      images.put(id, image.fence, { ...facts, mediaType, bytes: finished.bytes }, 'finished'),
    );
    return kept && { image: kept, lost };
  }

  /** The image that its record names is gone. @returns Undefined when it has moved on. */
  imageLost(id: string): Promise<OperationRecord | undefined> {
    return this.#change(id, loseImage);
  }

  /** Ends a queued operation without an image. */
  async queuedFailure(id: string, failure: OperationFailure): Promise<void> {
    await this.#change(id, fail(failure, this.#nowMs()));
  }

  /** The end of an attempt without an image. @returns The record, when it is queued again. */
  async attemptEnd(
    { id, fence, backend = '', spentDay: day }: OperationRecord,
    end: AttemptEnd,
  ): Promise<OperationRecord | undefined> {
    const nowMs = this.#nowMs();
    const givesBackDay = end.spent === 'no' && day !== undefined;
    const spent = givesBackDay ? ({ backend, day, by: -1, max: Infinity } as const) : undefined;
    if (end.kind === 'fail') {
      await this.#change(id, fail(end.failure, nowMs, fence), spent);
      return undefined;
    }
    const { givesBack, afterMs, wasUnreachable = false } = end;
    const dueAtMs = nowMs + afterMs;
    return this.#change(id, requeue(fence, { nowMs, dueAtMs, givesBack, wasUnreachable }), spent);
  }

  /** What a dispatch counts for its backend; nothing where images are free and without a bound. */
  #spentToday(nowMs: number): SpentChange | undefined {
    const { renderer, imagesPerDayMax } = this.#options;
    if (renderer.spend === 'free' && imagesPerDayMax === undefined) return undefined;
    const day = spentDay(nowMs);
    return { backend: renderer.name, day, by: 1, max: imagesPerDayMax ?? Infinity };
  }

  #change(
    id: string,
    change: RecordChange,
    spent?: SpentChange,
  ): Promise<OperationRecord | undefined> {
    const { store, epoch } = this.#options;
    return this.#persist(id, () => store.change(id, change, epoch() ?? noEpoch, spent));
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
