import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { ImageStore } from './image-store.ts';
import { keyKeptMs } from './operation-key.ts';
import { dropImage, type OperationRecord } from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';

export interface RetentionOptions {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly clock: Clock;
  readonly retentionMs: number;
  readonly imagesBytesMax: number;
  /** Only the owner of the store forgets. */
  readonly owns: () => boolean;
  readonly failed: (error: unknown) => void;
}

const sweepEveryMs = 30_000;
const removedPerSweepMax = 500;
/** A wall clock that moved further than this against the monotonic one is not believed for as long. */
const clockStepMs = 3_600_000;
const strayAgeMs = 24 * 3_600_000;
const strayEveryMs = 3_600_000;

/** Forgets ended operations after their time, and makes room for new images. */
export class Retention {
  readonly #options: RetentionOptions;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;
  #wallOffsetMs: number;
  #pausedUntilMs = 0;
  #straysAtMs = 0;

  constructor(options: RetentionOptions) {
    this.#options = options;
    this.#wallOffsetMs = options.clock.nowMs() - options.clock.elapsedMs();
  }

  start(): void {
    this.#cancelTimer = this.#options.clock.after(sweepEveryMs, () => void this.#sweepAndGoOn());
  }

  stop(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  async #sweepAndGoOn(): Promise<void> {
    try {
      await this.sweep();
    } catch (error) {
      this.#options.failed(error);
    }
    if (!this.#isClosed) this.start();
  }

  /** One pass. @returns How many operations were forgotten. */
  async sweep(): Promise<number> {
    if (!this.#options.owns() || this.#isClockInDoubt()) return 0;
    const { store, clock } = this.#options;
    const removed = await this.#removeExpired();
    await store.removeKeys(clock.nowMs() - keyKeptMs, removedPerSweepMax);
    await this.#makeRoom();
    await this.#removeStrays();
    return removed;
  }

  async #removeExpired(): Promise<number> {
    const { store, images, clock, retentionMs } = this.#options;
    const expired: OperationRecord[] = [];
    for (const record of store.ended(clock.nowMs() - retentionMs)) {
      if (expired.push(record) >= removedPerSweepMax) break;
    }
    // The record first: without it no one asks for the file, while one without its file would be a loss.
    await store.remove(expired.map(({ id }) => id));
    for (const { id, image } of expired) {
      if (image !== undefined) await images.delete(id, image);
    }
    return expired.length;
  }

  /** Drops the files of images that can be rendered again, oldest first. */
  async #makeRoom(): Promise<void> {
    const { store, images, imagesBytesMax } = this.#options;
    if (images.bytesHeld <= imagesBytesMax) return;
    for (const { id, image, plan } of store.ended(Number.MAX_SAFE_INTEGER)) {
      if (images.bytesHeld <= imagesBytesMax) return;
      if (image === undefined || plan === undefined) continue;
      await store.change(id, dropImage, undefined);
      await images.delete(id, image);
    }
  }

  async #removeStrays(): Promise<void> {
    const { store, images, clock } = this.#options;
    if (clock.elapsedMs() < this.#straysAtMs) return;
    this.#straysAtMs = clock.elapsedMs() + strayEveryMs;
    await images.deleteStrays((id, { fence, isFinished }) => {
      const record = store.get(id);
      if (record === undefined) return false;
      // While it goes on, its record may come to name any of them.
      if (record.state !== 'done') return true;
      return record.image?.fence === fence && record.image.isFinished === isFinished;
    }, strayAgeMs);
  }

  #isClockInDoubt(): boolean {
    const { clock } = this.#options;
    const offsetMs = clock.nowMs() - clock.elapsedMs();
    if (Math.abs(offsetMs - this.#wallOffsetMs) > clockStepMs) {
      this.#pausedUntilMs = clock.elapsedMs() + clockStepMs;
    }
    this.#wallOffsetMs = offsetMs;
    return clock.elapsedMs() < this.#pausedUntilMs;
  }
}
