import type { Clock } from '../clock/clock.ts';
import type { DiskReserve } from './disk-reserve.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { ImageStore } from './image-store.ts';
import type { LostImages, OperationStore } from './operation-store.ts';
import type { Ownership } from './ownership.ts';

/** What a service holds at one moment. */
export interface ServiceLevels {
  /** Of its store, whichever process works on them. */
  readonly operations: {
    readonly queued: number;
    readonly running: number;
    readonly done: number;
  };
  /** Since the oldest queued operation was due. */
  readonly oldestQueuedMs: number;
  /** Attempts under way in this process. */
  readonly inFlight: number;
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  /** Whether this process dispatches. */
  readonly isOwner: boolean;
  readonly imagesBytes: number;
  readonly imagesBytesMax: number;
  /** Whether the disk had no room for the images that are being made. */
  readonly isReserveMissing: boolean;
  /** Images that may have been paid for, since the store was made. */
  readonly lost: LostImages;
}

export interface ServiceParts {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly reserve: DiskReserve;
  readonly dispatcher: Dispatcher;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly limits: { readonly imagesBytesMax: number };
}

/** Reads the levels, at the cost of a look at each unfinished operation. */
export function serviceLevels(parts: ServiceParts): ServiceLevels {
  const { store, images, reserve, dispatcher, ownership, clock, limits } = parts;
  const { queued, unfinished, ended } = store.counts;
  const oldest = store.unfinished().find(({ state }) => state === 'queued');
  const oldestQueuedMs = oldest === undefined ? 0 : clock.nowMs() - oldest.dueAtMs;
  return {
    operations: { queued, running: unfinished - queued, done: ended },
    oldestQueuedMs: Math.max(0, oldestQueuedMs),
    inFlight: dispatcher.runningCount,
    isOpen: dispatcher.shutCause === undefined,
    isPaused: dispatcher.shutCause === 'paused',
    isOwner: ownership.epoch !== undefined,
    imagesBytes: images.bytesHeld,
    imagesBytesMax: limits.imagesBytesMax,
    isReserveMissing: reserve.isMissing,
    lost: store.lost,
  };
}
