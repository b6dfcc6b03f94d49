import { Counter, Histogram, type Registry } from 'prom-client';

interface StoreCallEnd {
  readonly call: string;
  readonly isFailed: boolean;
  readonly durationMs: number;
}

/** LMDB takes microseconds, a shared store a millisecond and at most 250 ms; durable writes may take longer. */
const bucketsS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

/** The metrics of the state store. */
export function storeMetrics(registry: Registry) {
  const registers = [registry];
  const duration = new Histogram({
    name: 'gateway_store_call_duration_seconds',
    help: 'Duration of calls to the state store, failed ones included, by call.',
    labelNames: ['call'],
    buckets: bucketsS,
    registers,
  });
  const failures = new Counter({
    name: 'gateway_store_failures_total',
    help: 'Calls to the state store that failed or took too long, by call.',
    labelNames: ['call'],
    registers,
  });
  // Each series starts at 0, else Prometheus does not see its first increase.
  for (const call of ['swapRecord', 'takeClaims', 'returnClaims', 'announce', 'endAnnouncement']) {
    failures.inc({ call }, 0);
  }
  return {
    callEnded({ call, isFailed, durationMs }: StoreCallEnd) {
      duration.observe({ call }, durationMs / 1000);
      if (isFailed) failures.inc({ call });
    },
  };
}
