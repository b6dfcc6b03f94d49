import { Gauge, Counter, type Registry } from 'prom-client';

/** The levels of a gateway at one moment, read at each scrape. */
export interface Gauges {
  readonly readiness: string;
  /** Requests and streams that wait for the end of an operation. */
  readonly waiters: number;
  /** Operations that a request waits for, which are therefore polled. */
  readonly polledOperations: number;
  readonly trackedOperations: number;
  readonly cacheBytes: number;
  readonly cacheBytesMax: number;
  readonly cacheHits: number;
  readonly cacheMisses: number;
  /** How long a read that is due now would wait for its turn. */
  readonly readWaitMs: number;
  readonly readsPerSecondMax: number;
  /** Bytes that reads and responses hold; the cache gives way to them. */
  readonly imageMemoryBytesHeld: number;
  readonly imageMemoryBytesMax: number;
  /** 0 … 1 and above: how close the process is to what it can take. */
  readonly pressure: number;
}

const readinessStates = ['starting', 'ready', 'overloaded', 'draining'];

/** Gauges, and counters that are kept elsewhere: they cost nothing between scrapes. */
export function gaugeMetrics(registry: Registry, levels: () => Gauges | undefined): void {
  const registers = [registry];
  const readiness: Gauge<'state'> = new Gauge({
    name: 'gateway_readiness',
    help: '1 for the state the gateway is in, as /readyz reports it, and 0 for the others.',
    labelNames: ['state'],
    registers,
    collect: () => {
      const now = levels()?.readiness;
      for (const state of readinessStates) readiness.set({ state }, now === state ? 1 : 0);
    },
  });
  const gauge = (name: string, help: string, read: (now: Gauges) => number) => {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => metric.set(readNow(read)),
    });
  };
  const counter = (name: string, help: string, read: (now: Gauges) => number) => {
    const metric: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        metric.reset();
        metric.inc(readNow(read));
      },
    });
  };
  const readNow = (read: (now: Gauges) => number): number => {
    const now = levels();
    return now === undefined ? 0 : read(now);
  };

  gauge(
    'gateway_waiters',
    'Requests and event streams that wait for the end of an operation.',
    ({ waiters }) => waiters,
  );
  gauge(
    'gateway_operations_polled',
    'Operations that a request waits for: each is polled once however many requests wait.',
    ({ polledOperations }) => polledOperations,
  );
  gauge(
    'gateway_operations_tracked',
    'Operations whose state is in memory.',
    ({ trackedOperations }) => trackedOperations,
  );
  gauge(
    'gateway_read_wait_seconds',
    'How long a read of the upstream that is due now waits for its turn in this gateway’s share of the quota.',
    ({ readWaitMs }) => readWaitMs / 1000,
  );
  gauge(
    'gateway_reads_per_second_max',
    'Reads of the upstream per second that this gateway may start now: its share of the quota.',
    ({ readsPerSecondMax }) => readsPerSecondMax,
  );
  gauge(
    'gateway_result_cache_bytes',
    'Bytes of finished images in the cache. It is usually near its bound: the least recently used go first.',
    ({ cacheBytes }) => cacheBytes,
  );
  gauge(
    'gateway_result_cache_max_bytes',
    'Bound of the cache of finished images (RESULT_CACHE_BYTES_MAX).',
    ({ cacheBytesMax }) => cacheBytesMax,
  );
  counter(
    'gateway_result_cache_hits_total',
    'Requested images that were served from the cache.',
    ({ cacheHits }) => cacheHits,
  );
  counter(
    'gateway_result_cache_misses_total',
    'Requested images that had to be read from the upstream again.',
    ({ cacheMisses }) => cacheMisses,
  );
  gauge(
    'gateway_image_held_bytes',
    'Bytes of images that are being read, and of images in responses that are not written yet. The cache gives way to them.',
    ({ imageMemoryBytesHeld }) => imageMemoryBytesHeld,
  );
  gauge(
    'gateway_image_max_bytes',
    'Bound of the bytes of all images in memory (PICTURE_BYTES_MAX).',
    ({ imageMemoryBytesMax }) => imageMemoryBytesMax,
  );
  gauge(
    'gateway_pressure_ratio',
    'How close loop delay or memory is to the limit of the process: creates are refused from 0.8 on, images as bytes from 0.98.',
    ({ pressure }) => pressure,
  );
}
