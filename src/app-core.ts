import { randomBytes, randomUUID } from 'node:crypto';
import { systemClock, systemRandom } from './clock/system-clock.ts';
import {
  imageMemoryBytesMaxOf,
  isUpstreamService,
  isUpstreamTls,
  readsPerSecondMaxOf,
} from './config/setting-rules.ts';
import type { SettingValues } from './config/settings.ts';
import type { Log } from './observability/log.ts';
import type { Metrics } from './observability/metrics.ts';
import type { SettlingService } from './operations/create/settling.ts';
import { openCore, type Core, type CoreObserver } from './operations/core.ts';
import { openOperationIds } from './operations/operation-id.ts';
import type { SealSecrets } from './sealing/seal.ts';
import type { StateStore } from './state/state-store.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';

/** Opens the core with the limits that the settings name, on the machine's own clock and randomness. */
export function openAppCore(
  settings: SettingValues,
  parts: {
    readonly log: Log;
    readonly secrets: SealSecrets;
    readonly store: StateStore;
    readonly upstream: UpstreamClient;
    /** Absent where the upstream is not the service. */
    readonly service: SettlingService | undefined;
    readonly metrics: Metrics | undefined;
  },
): Core {
  const { log, secrets, store, upstream, service, metrics } = parts;
  return openCore({
    upstream,
    store,
    clock: systemClock,
    random: systemRandom,
    service,
    newKey: () => randomBytes(16).toString('base64url'),
    newName: randomUUID,
    ids: openOperationIds(secrets),
    imagesPerMinuteMax: imagesPerMinuteMaxOf(settings),
    imagesPerDayMax: settings.IMAGES_PER_DAY_MAX,
    readsPerSecondMax: readsPerSecondMaxOf(settings),
    pollIntervalMs: settings.UPSTREAM_POLL_INTERVAL_MS,
    pollGapMsMax: isUpstreamService(settings) ? servicePollGapMsMax : undefined,
    resultCacheBytesMax: settings.RESULT_CACHE_BYTES_MAX,
    imageMemoryBytesMax: imageMemoryBytesMaxOf(settings),
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    isService: isUpstreamService(settings),
    trackedMax: settings.OPERATIONS_TRACKED_MAX,
    generateTimeoutMs: settings.GENERATE_TIMEOUT_MS,
    breakerChanged(method, state) {
      metrics?.limits.breakerChanged(method, state);
      log.warn({ method, state }, 'breaker');
    },
    readFailed({ operationId, error: { reason, upstream: trace, cause } }) {
      metrics?.operations.readFailed({ reason });
      const message = cause instanceof Error ? cause.message : undefined;
      const upstreamCode = trace?.grpcCode;
      log.warn({ reason, operationId, upstreamCode, cause: message }, 'poll failed');
    },
    resultLost(result) {
      log.error(result, 'result can not be read: its upstream id leads to the image');
    },
    observer: metrics && coreObserver(metrics),
  });
}

/** A read of the service costs no quota. */
const servicePollGapMsMax = 250;

/** Each event of the core to the metric that counts it. */
function coreObserver({ operations, limits }: Metrics): CoreObserver {
  return {
    createEnded: (end) => operations.createEnded(end),
    operationEnded: (end) => operations.operationEnded(end),
    limitsSeen: (states) => limits.limitsSeen(states),
    limited: (limit) => limits.limited(limit),
  };
}

/** The vendor takes 500 images a minute; an upstream of the operator's own has no known quota. */
function imagesPerMinuteMaxOf(settings: SettingValues): number | undefined {
  return settings.IMAGES_PER_MINUTE_MAX ?? (isUpstreamTls(settings) ? 450 : undefined);
}
