import { Counter, Histogram, type Registry } from 'prom-client';
import { grpcCodeNumber } from '../errors/grpc-code.ts';

/** A refusal is quick; a Generate has 15 s, a Get that brings a large image 10 s. */
const bucketsS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

/** Calls to the upstream. */
export function upstreamMetrics(registry: Registry) {
  const registers = [registry];
  const calls = new Counter({
    name: 'gateway_upstream_calls_total',
    help: 'Calls to the upstream that ended, by method (Generate is the paid one, Probe a free one that asks whether it is back) and gRPC code; other: a code that is none.',
    labelNames: ['method', 'code'],
    registers,
  });
  const duration = new Histogram({
    name: 'gateway_upstream_call_duration_seconds',
    help: 'How long calls to the upstream took, by method.',
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
      // Peers send numbers that are no codes: each would be a series of its own.
      const code = grpcCodeNumber(call.code) === undefined ? 'other' : call.code;
      calls.inc({ method, code });
      duration.observe({ method }, durationMs / 1000);
    },
  };
}
