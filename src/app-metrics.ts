import { imageMemoryBytesMaxOf } from './config/setting-rules.ts';
import type { SettingValues } from './config/settings.ts';
import type { Readiness } from './http/routes/health.ts';
import { openMetrics, type Metrics } from './observability/metrics.ts';
import { metricsServer } from './observability/metrics-server.ts';
import type { Core } from './operations/core.ts';
import type { LoadShedding } from './load/load-shedding.ts';
import { systemClock } from './clock/system-clock.ts';
import { version } from './schemas/product-version.ts';
import { reachableHost } from './text/host.ts';

/** The metrics of a gateway, and the port that serves them. */
export interface AppMetrics extends Metrics {
  /** The address that serves them, once it listens. */
  readonly address: string | undefined;
  /** Sets the parts that are read at each scrape. */
  follow(parts: {
    readonly core: Core;
    readonly shedding: LoadShedding;
    readonly readiness: () => Readiness;
    readonly logLinesLost: () => number;
    /** Metrics of the embedded service as Prometheus reads them. */
    readonly serviceText: () => Promise<string>;
  }): void;
  listen(): Promise<void>;
  /** To be called last, so that a drain can be observed. */
  close(): Promise<void>;
}

/** Undefined without METRICS_PORT: then nothing is counted. */
export function openAppMetrics(settings: SettingValues): AppMetrics | undefined {
  const { METRICS_HOST: host, METRICS_PORT: port } = settings;
  if (port === undefined) return undefined;
  const metrics = openMetrics({ version, elapsedMs: () => systemClock.elapsedMs() });
  let address: string | undefined;
  let ofService = async () => '';
  const { contentType } = metrics;
  const text = async () => (await Promise.all([metrics.text(), ofService()])).join('');
  const server = metricsServer({ contentType, text }, { host, port });
  return {
    ...metrics,
    get address() {
      return address;
    },
    follow({ core, shedding, readiness, logLinesLost, serviceText }) {
      ofService = serviceText;
      metrics.watch(() => ({
        readiness: readiness(),
        ...core.operations.load,
        cacheBytes: core.results.byteLength,
        cacheBytesMax: settings.RESULT_CACHE_BYTES_MAX,
        cacheHits: core.results.asked.hits,
        cacheMisses: core.results.asked.misses,
        readWaitMs: core.readQueue.waitMs(),
        readsPerSecondMax: core.readRateLimiter.rate(systemClock.elapsedMs()),
        imageMemoryBytesHeld: core.memory.bytesInUse,
        imageMemoryBytesMax: imageMemoryBytesMaxOf(settings),
        pressure: shedding.pressure,
        logLinesLost: logLinesLost(),
      }));
    },
    async listen() {
      const listeningOn = await server.listen();
      address = `http://${reachableHost(host)}:${listeningOn}/metrics`;
    },
    async close() {
      await server.close();
      metrics.stop();
    },
  };
}
