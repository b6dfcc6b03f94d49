import { Counter, Histogram, type Registry } from 'prom-client';
import { reasons } from '../errors/reason.ts';

interface CreateEnd {
  readonly outcome: 'accepted' | 'replayed' | 'joined' | 'not_started' | 'unknown';
  /** Present where no operation came of it. */
  readonly reason?: string;
}

interface OperationEnd {
  readonly outcome: 'succeeded' | 'failed' | 'canceled' | 'expired';
  /** Undefined when nobody can tell. */
  readonly tookMs: number | undefined;
  readonly polls: number;
}

const tookBucketsS = [1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3_600, 14_400];
const pollBuckets = [0, 1, 2, 3, 4, 5, 7, 10, 15, 25, 50, 100];

/** Creates, which may cost money, and what became of the operations. */
export function operationMetrics(registry: Registry) {
  const registers = [registry];
  const creates = new Counter({
    name: 'gateway_creates_total',
    help: 'Creates that were good requests, by what became of the money: accepted, replayed or joined (an earlier create of the same key), not_started, unknown (perhaps paid for, and lost); with the problem code where there is no operation. The code outcome_unknown repeats an older unknown.',
    labelNames: ['outcome', 'reason'],
    registers,
  });
  // A series has to be seen at 0, else Prometheus does not notice its first increase.
  for (const reason of reasons) creates.inc({ outcome: 'unknown', reason }, 0);
  creates.inc({ outcome: 'not_started', reason: 'upstream_auth' }, 0);
  const ended = new Counter({
    name: 'gateway_operations_ended_total',
    help: 'Operations whose end this gateway learned of, by outcome; expired: the upstream no longer had it. What several gateways look at is counted on each.',
    labelNames: ['outcome'],
    registers,
  });
  const took = new Histogram({
    name: 'gateway_operation_duration_seconds',
    help: 'From accepted to done, of operations that succeeded: as the upstream tells it, else estimated between two polls.',
    buckets: tookBucketsS,
    registers,
  });
  const polls = new Histogram({
    name: 'gateway_operation_polls',
    help: 'Reads of the upstream that an operation took until its end was known.',
    buckets: pollBuckets,
    registers,
  });
  const failedReads = new Counter({
    name: 'gateway_operation_reads_failed_total',
    help: 'Reads of an operation that brought nothing, by problem code. The next one comes by schedule; no caller sees it while the last state is known.',
    labelNames: ['reason'],
    registers,
  });
  failedReads.inc({ reason: 'upstream_auth' }, 0);
  return {
    createEnded: ({ outcome, reason = '' }: CreateEnd) => creates.inc({ outcome, reason }),
    readFailed: ({ reason }: { readonly reason: string }) => failedReads.inc({ reason }),
    operationEnded(end: OperationEnd) {
      ended.inc({ outcome: end.outcome });
      polls.observe(end.polls);
      if (end.outcome === 'succeeded' && end.tookMs !== undefined) took.observe(end.tookMs / 1000);
    },
  };
}
