import { Registry } from 'prom-client';
import { gaugeMetrics, type Gauges } from './gauge-metrics.ts';
import { limitMetrics } from './limit-metrics.ts';
import { describeMetric, type MetricDescription } from './metric-description.ts';
import { operationMetrics } from './operation-metrics.ts';
import { processMetrics } from './process-metrics.ts';
import { requestMetrics } from './request-metrics.ts';
import { storeMetrics } from './store-metrics.ts';
import { upstreamMetrics } from './upstream-metrics.ts';

export interface MetricsOptions {
  /** Version of the gateway. */
  readonly version: string;
  /** Monotonic time. */
  readonly elapsedMs: () => number;
}

export type Metrics = ReturnType<typeof openMetrics>;

/**
 * All metrics of one gateway, in a registry of its own.
 *
 * Each part is an observer as the layer that reports the event declares it. No
 * label ever has a value that a caller or the upstream chose.
 */
export function openMetrics({ version, elapsedMs }: MetricsOptions) {
  const registry = new Registry();
  let levels: (() => Gauges) | undefined;
  gaugeMetrics(registry, () => levels?.());
  const ofProcess = processMetrics(registry, { version });
  return {
    requests: requestMetrics(registry),
    upstream: upstreamMetrics(registry),
    operations: operationMetrics(registry),
    store: storeMetrics(registry),
    limits: limitMetrics(registry, elapsedMs),
    contentType: registry.contentType,
    /** All metrics as Prometheus reads them. */
    text: () => registry.metrics(),
    /** Sets what is read at each scrape. */
    watch(read: () => Gauges): void {
      levels = read;
    },
    describe: (): readonly MetricDescription[] => registry.getMetricsAsArray().map(describeMetric),
    /** Stops the observation of the process. */
    stop: () => ofProcess.stop(),
  };
}
