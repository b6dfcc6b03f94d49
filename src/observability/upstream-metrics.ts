import { Counter, Histogram, type Registry } from 'prom-client';
import { grpcCodeNumber } from '../errors/grpc-code.ts';

/** From a fast refusal to the deadlines: 15 s of Generate, 10 s of Get. */
const bucketsS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

/** The metrics of calls to the upstream. */
export function upstreamMetrics(registry: Registry) {
  const registers = [registry];
  const calls = new Counter({
    name: 'gateway_upstream_calls_total',
    help: 'Ended calls to the upstream, by method (Generate is the paid one, Probe a free one that checks whether the upstream is back, Describe a free one that asks the service for its models, Settle a free one that asks it what became of a Generate) and gRPC code; other: a number that is no code.',
    labelNames: ['method', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'gateway_upstream_call_duration_seconds',
    help: 'Duration of calls to the upstream, by method.',
    labelNames: ['method'],
    buckets: bucketsS,
    registers,
  });
  return {
    callEnded(call: {
      readonly method: string;
      readonly code: string;
      readonly durationMs: number;
    }) {
      const { method, durationMs } = call;
      // Peers send numbers that are no codes: each would be a new series.
      const code = grpcCodeNumber(call.code) === undefined ? 'other' : call.code;
      calls.inc({ method, code });
      duration.observe({ method }, durationMs / 1000);
    },
  };
}
