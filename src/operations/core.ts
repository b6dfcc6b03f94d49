import type { StateStore } from '../state/state-store.ts';
import type { UpstreamClient } from '../upstream/upstream-client.ts';
import { Admission } from './admission.ts';
import { Creates } from './creates.ts';
import { FleetShare } from './fleet-share.ts';
import { guardedUpstream, type BreakerObserver, type GuardedUpstream } from './guarded-upstream.ts';
import { Idempotency } from './idempotency.ts';
import type { OperationIds } from './operation-id.ts';
import { Operations } from './operations.ts';
import { PictureMemory } from './picture-memory.ts';
import { PollSchedule } from './poll-schedule.ts';
import type { PollingObserver } from './polling-hub.ts';
import type { Clock, Random } from './ports.ts';
import { ReadBudget } from './read-budget.ts';
import { ResultCache } from './result-cache.ts';

export interface CoreOptions {
  readonly upstream: UpstreamClient;
  readonly store: StateStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Never the same twice. */
  readonly newName: () => string;
  readonly ids: OperationIds;
  /** Of all callers together; absent is no cap. */
  readonly imagesPerMinuteMax?: number | undefined;
  readonly imagesPerDayMax?: number | undefined;
  /** The upstream's quota of result reads, for all gateways together. */
  readonly readsPerSecondMax: number;
  /** Absent: the schedule learns. */
  readonly pollIntervalMs?: number | undefined;
  readonly resultCacheBytesMax: number;
  /** Of all pictures in memory: kept, being read, being written. */
  readonly pictureBytesMax: number;
  readonly imageBytesMax: number;
  readonly trackedMax: number;
  readonly readFailed?: PollingObserver['readFailed'];
  readonly breakerChanged?: BreakerObserver['breakerChanged'] | undefined;
}

/** The operations of all callers, what decides about new ones, and this gateway's part of the quota. */
export interface Core {
  readonly operations: Operations;
  readonly creates: Creates;
  readonly share: FleetShare;
  readonly memory: PictureMemory;
  /** The upstream behind its breakers. */
  readonly upstream: GuardedUpstream;
}

/** Share of the result-read quota that is used, so that a wrong clock or a burst does not exceed it. */
const quotaShare = 0.8;
/** Reads that may begin at once after a pause; with the share they stay within the quota of any second. */
const readBurst = 8;

/** Joins the parts of the core. Reads no clock and draws nothing but by the ports it is given. */
export function openCore(options: CoreOptions): Core {
  const { store, clock, random, newName, ids, readFailed, breakerChanged } = options;
  const upstream = guardedUpstream(options.upstream, {
    clock,
    random,
    observer: { breakerChanged: (method, state) => breakerChanged?.(method, state) },
  });
  const results = new ResultCache({ bytesMax: options.resultCacheBytesMax });
  const memory = new PictureMemory({ clock, bytesMax: options.pictureBytesMax, cache: results });
  const perSecond = options.readsPerSecondMax * quotaShare;
  const budget = new ReadBudget({ perSecond, burst: readBurst });
  const operations = new Operations({
    upstream,
    clock,
    ids,
    schedule: new PollSchedule({ random, intervalMs: options.pollIntervalMs }),
    budget,
    results,
    memory,
    imageBytesMax: options.imageBytesMax,
    trackedMax: options.trackedMax,
    observer: {
      readFailed: (failure) => readFailed?.(failure),
      settled: (id) => creates.settled(id),
    },
  });
  const creates = new Creates({
    operations,
    upstream,
    admission: new Admission({
      store,
      clock,
      imagesPerMinuteMax: options.imagesPerMinuteMax,
      imagesPerDayMax: options.imagesPerDayMax,
      newHolder: newName,
    }),
    idempotency: new Idempotency({ store, clock }),
    placesMax: options.trackedMax,
  });
  const share = new FleetShare({ store, clock, budget, perSecond, gatewayId: newName() });
  return { operations, creates, share, memory, upstream };
}
