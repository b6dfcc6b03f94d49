import { Counter, Histogram, type Registry } from 'prom-client';

interface StoreCallEnd {
  readonly call: string;
  readonly isFailed: boolean;
  readonly durationMs: number;
}

/** LMDB answers in microseconds, a shared store in a millisecond, and 250 ms is its limit; durable writes have longer. */
const bucketsS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

/** Calls of the state store. */
export function storeMetrics(registry: Registry) {
  const registers = [registry];
  const duration = new Histogram({
    name: 'gateway_store_call_duration_seconds',
    help: 'How long calls of the state store took, failed ones too, by call.',
    labelNames: ['call'],
    buckets: bucketsS,
    registers,
  });
  const failures = new Counter({
    name: 'gateway_store_failures_total',
    help: 'Calls of the state store that failed or took too long, by call.',
    labelNames: ['call'],
    registers,
  });
  // A series has to be seen at 0, else Prometheus does not notice its first increase.
  for (const call of [
    'swapRecord',
    'takeClaims',
    'returnClaims',
    'announce',
    'withdrawAnnouncement',
  ]) {
    failures.inc({ call }, 0);
  }
  return {
    callEnded({ call, isFailed, durationMs }: StoreCallEnd) {
      duration.observe({ call }, durationMs / 1000);
      if (isFailed) failures.inc({ call });
    },
  };
}
