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
  readonly logLinesLost: number;
}

const readinessStates = ['starting', 'ready', 'overloaded', 'draining'];

/** One level: a gauge, or a counter whose value is kept elsewhere. */
interface Level {
  readonly kind: typeof Gauge | typeof Counter;
  readonly name: string;
  readonly help: string;
  readonly read: (now: Gauges) => number;
}

const levels: readonly Level[] = [
  {
    kind: Gauge,
    name: 'gateway_waiters',
    help: 'Requests and event streams that wait for the end of an operation.',
    read: ({ waiters }) => waiters,
  },
  {
    kind: Gauge,
    name: 'gateway_operations_polled',
    help: 'Operations that a request waits for: each is polled once however many requests wait.',
    read: ({ polledOperations }) => polledOperations,
  },
  {
    kind: Gauge,
    name: 'gateway_operations_tracked',
    help: 'Operations whose state is in memory.',
    read: ({ trackedOperations }) => trackedOperations,
  },
  {
    kind: Gauge,
    name: 'gateway_read_wait_seconds',
    help: 'How long a read of the upstream that is due now waits for its turn in this gateway’s share of the quota.',
    read: ({ readWaitMs }) => readWaitMs / 1000,
  },
  {
    kind: Gauge,
    name: 'gateway_reads_per_second_max',
    help: 'Reads of the upstream per second that this gateway may start now: its share of the quota.',
    read: ({ readsPerSecondMax }) => readsPerSecondMax,
  },
  {
    kind: Gauge,
    name: 'gateway_result_cache_bytes',
    help: 'Bytes of finished images in the cache. It is usually near its bound: the least recently used go first.',
    read: ({ cacheBytes }) => cacheBytes,
  },
  {
    kind: Gauge,
    name: 'gateway_result_cache_max_bytes',
    help: 'Bound of the cache of finished images (RESULT_CACHE_BYTES_MAX).',
    read: ({ cacheBytesMax }) => cacheBytesMax,
  },
  {
    kind: Counter,
    name: 'gateway_result_cache_hits_total',
    help: 'Requested images that were served from the cache.',
    read: ({ cacheHits }) => cacheHits,
  },
  {
    kind: Counter,
    name: 'gateway_result_cache_misses_total',
    help: 'Requested images that had to be read from the upstream again.',
    read: ({ cacheMisses }) => cacheMisses,
  },
  {
    kind: Gauge,
    name: 'gateway_image_held_bytes',
    help: 'Bytes of images that are being read, and of images in responses that are not written yet. The cache gives way to them.',
    read: ({ imageMemoryBytesHeld }) => imageMemoryBytesHeld,
  },
  {
    kind: Gauge,
    name: 'gateway_image_max_bytes',
    help: 'Bound of the bytes of all images in memory (PICTURE_BYTES_MAX).',
    read: ({ imageMemoryBytesMax }) => imageMemoryBytesMax,
  },
  {
    kind: Gauge,
    name: 'gateway_pressure_ratio',
    help: 'How close loop delay or memory is to the limit of the process: creates are refused from 0.8 on, images as bytes from 0.98.',
    read: ({ pressure }) => pressure,
  },
  {
    kind: Counter,
    name: 'gateway_log_lines_lost_total',
    help: 'Lines of the log that could not be written: its disk is full, or no one reads it.',
    read: ({ logLinesLost }) => logLinesLost,
  },
];

/** Registers all levels. They are read at each scrape, so they cost nothing in between. */
export function gaugeMetrics(registry: Registry, now: () => Gauges | undefined): void {
  const registers = [registry];
  const readiness: Gauge<'state'> = new Gauge({
    name: 'gateway_readiness',
    help: '1 for the state the gateway is in, as /readyz reports it, and 0 for the others.',
    labelNames: ['state'],
    registers,
    collect: () => {
      const present = now()?.readiness;
      for (const state of readinessStates) readiness.set({ state }, present === state ? 1 : 0);
    },
  });
  for (const { kind, name, help, read } of levels) {
    const metric: Gauge | Counter = new kind({
      name,
      help,
      registers,
      collect: () => {
        const present = now();
        metric.reset();
        metric.inc(present === undefined ? 0 : read(present));
      },
    });
  }
}
