import type { StateStore } from '../state/state-store.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
import { Admission } from './create/admission.ts';
import { ClientAttempts } from './create/client-attempts.ts';
import { Creates, type CreatesObserver } from './create/creates.ts';
import { QuotaShare } from './poll/quota-share.ts';
import {
  guardedUpstream,
  type BreakerObserver,
  type GuardedUpstream,
} from './breaker/guarded-upstream.ts';
import { Idempotency } from './create/idempotency.ts';
import { Settling, type SettlingService } from './create/settling.ts';
import { Starts } from './create/starts.ts';
import { Slots, type Slot } from './create/slots.ts';
import type { OperationIds } from './operation-id.ts';
import { Operations } from './operations.ts';
import { ImageMemory } from './result/image-memory.ts';
import { PollSchedule } from './poll/poll-schedule.ts';
import type { OperationEnd, PollingObserver } from './poll/polling-observer.ts';
import type { TrackedOperation } from './poll/tracked-operation.ts';
import type { Clock } from '../clock/clock.ts';
import type { Random } from '../clock/random.ts';
import { ReadRateLimiter } from './poll/read-rate-limiter.ts';
import { ReadQueue } from './poll/read-queue.ts';
import { ResultCache } from './result/result-cache.ts';

export interface CoreOptions {
  readonly upstream: UpstreamClient;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Absent where the upstream is not the service. */
  readonly service?: SettlingService | undefined;
  /** Makes a key that no one can guess. */
  readonly newKey?: (() => string) | undefined;
  /** Makes a name that no other call gets. */
  readonly newName: () => string;
  readonly ids: OperationIds;
  /** Of all callers together; absent is no cap. */
  readonly imagesPerMinuteMax?: number | undefined;
  readonly imagesPerDayMax?: number | undefined;
  /** The upstream's quota of result reads, for all gateways together. */
  readonly readsPerSecondMax: number;
  /** Absent: the schedule learns. */
  readonly pollIntervalMs?: number | undefined;
  /** Longest time between two polls of an operation that may be done. Absent: as the vendor's quota of reads allows. */
  readonly pollGapMsMax?: number | undefined;
  readonly resultCacheBytesMax: number;
  /** Of all images in memory: kept, being read, being written. */
  readonly imageMemoryBytesMax: number;
  readonly imageBytesMax: number;
  /** Whether the upstream is the product's own service, whose ErrorInfo is believed. */
  readonly isService?: boolean | undefined;
  readonly trackedMax: number;
  /** From the beginning of a create to the end of its Generate. */
  readonly generateTimeoutMs: number;
  readonly readFailed?: PollingObserver['readFailed'] | undefined;
  readonly resultLost?: PollingObserver['resultLost'] | undefined;
  readonly breakerChanged?: BreakerObserver['breakerChanged'] | undefined;
  readonly observer?: CoreObserver | undefined;
}

/** Events of creates and operations. What it does must be quick and may not throw. */
export interface CoreObserver extends CreatesObserver {
  operationEnded(end: OperationEnd): void;
}

/** The operations of all callers, the creates of new ones, and this gateway's share of the quota. */
export interface Core {
  readonly operations: Operations;
  readonly creates: Creates;
  readonly clientAttempts: ClientAttempts;
  readonly quotaShare: QuotaShare;
  readonly results: ResultCache;
  readonly readRateLimiter: ReadRateLimiter;
  readonly readQueue: ReadQueue;
  readonly memory: ImageMemory;
  /** The upstream behind its breakers. */
  readonly upstream: GuardedUpstream;
}

/** The part of the result-read quota that is used, so that late timers and bursts do not exceed it. */
const quotaPart = 0.8;
/**
 * Reads that may begin at once after a pause. Every gateway of a fleet has them,
 * so more than one each would break the quota that their rates keep together.
 */
const readBurst = 1;

/** Joins the parts of the core. Time, randomness and names come from the options alone. */
export function openCore(options: CoreOptions): Core {
  const { store, clock, random, newName, ids, breakerChanged } = options;
  const upstream = guardedUpstream(options.upstream, {
    clock,
    random,
    observer: { breakerChanged: (method, state) => breakerChanged?.(method, state) },
  });
  const results = new ResultCache({ bytesMax: options.resultCacheBytesMax });
  const memory = new ImageMemory({ clock, bytesMax: options.imageMemoryBytesMax, cache: results });
  const perSecond = options.readsPerSecondMax * quotaPart;
  const readRateLimiter = new ReadRateLimiter({ perSecond, burst: readBurst });
  const readQueue = new ReadQueue({ clock, limiter: readRateLimiter });
  const schedule = new PollSchedule({
    random,
    intervalMs: options.pollIntervalMs,
    gapMsMax: options.pollGapMsMax,
  });
  const slots = new Slots({ store, random, schedule, subjectsMax: options.trackedMax });
  const operations = new Operations({
    upstream,
    clock,
    ids,
    schedule,
    readRateLimiter,
    readQueue,
    results,
    memory,
    imageBytesMax: options.imageBytesMax,
    isService: options.isService,
    trackedMax: options.trackedMax,
    observer: pollingObserver(slots, options),
  });
  const creates = openCreates(options, { operations, upstream, slots });
  const quotaShare = new QuotaShare({
    store,
    clock,
    readRateLimiter,
    perSecond,
    gatewayId: newName(),
  });
  return {
    operations,
    creates,
    clientAttempts: new ClientAttempts({ store, newName }),
    quotaShare,
    results,
    readRateLimiter,
    readQueue,
    memory,
    upstream,
  };
}

function openCreates(
  options: CoreOptions,
  parts: {
    readonly operations: Operations;
    readonly upstream: GuardedUpstream;
    readonly slots: Slots;
  },
): Creates {
  const { store, clock, random, newName, service, newKey = newName, observer } = options;
  const { operations, slots } = parts;
  const { imagesPerMinuteMax, imagesPerDayMax, generateTimeoutMs } = options;
  const settling = service && new Settling({ service, clock, random, newKey });
  return new Creates({
    ...parts,
    admission: new Admission({ store, clock, imagesPerMinuteMax, imagesPerDayMax, slots }),
    idempotency: new Idempotency({ store, clock }),
    starts: new Starts({ operations, settling, clock, generateTimeoutMs }),
    clock,
    observer,
  });
}

/** Keeps the slots of running images, gives back those of ended ones, and passes events on. */
function pollingObserver(
  slots: Slots,
  { readFailed, resultLost, observer }: Pick<CoreOptions, 'readFailed' | 'resultLost' | 'observer'>,
): PollingObserver {
  return {
    readFailed: (failure) => readFailed?.(failure),
    resultLost: (result) => resultLost?.(result),
    stillRunning(tracked, times) {
      const slot = slotOf(tracked);
      if (slot !== undefined) slots.seenRunning(slot, times);
    },
    over(tracked, end) {
      const slot = slotOf(tracked);
      if (slot !== undefined) slots.release(slot);
      observer?.operationEnded(end);
    },
  };
}

function slotOf({ owner, sealed }: TrackedOperation): Slot | undefined {
  const { slotHolder: holder } = sealed;
  return holder === undefined ? undefined : { subject: owner, holder };
}
