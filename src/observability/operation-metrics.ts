import { Counter, Histogram, type Registry } from 'prom-client';
import { reasons } from '../errors/reason.ts';

interface CreateEnd {
  readonly outcome: 'accepted' | 'replayed' | 'joined' | 'not_started' | 'unknown';
  /** Present when there is no operation. */
  readonly reason?: string;
}

interface OperationEnd {
  readonly outcome: 'succeeded' | 'failed' | 'canceled' | 'expired';
  /** Undefined when it is not known. */
  readonly tookMs: number | undefined;
  readonly polls: number;
}

const tookBucketsS = [1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 900, 3_600, 14_400];
const pollBuckets = [0, 1, 2, 3, 4, 5, 7, 10, 15, 25, 50, 100];

/** The metrics of creates, which may cost money, and of operations. */
export function operationMetrics(registry: Registry) {
  const registers = [registry];
  const creates = new Counter({
    name: 'gateway_creates_total',
    help: 'Valid creates, by outcome: accepted, replayed or joined (an earlier create of the same key), not_started (nothing was spent), unknown (perhaps paid for, and lost); with the problem code where there is no operation. The code outcome_unknown repeats an older unknown.',
    labelNames: ['outcome', 'reason'],
    registers,
  });
  // Each series starts at 0, else Prometheus does not see its first increase.
  for (const reason of reasons) creates.inc({ outcome: 'unknown', reason }, 0);
  creates.inc({ outcome: 'not_started', reason: 'upstream_auth' }, 0);
  const ended = new Counter({
    name: 'gateway_operations_ended_total',
    help: 'Operations whose end this gateway saw, by outcome; expired: the upstream no longer had it. An operation that several gateways read is counted on each.',
    labelNames: ['outcome'],
    registers,
  });
  const took = new Histogram({
    name: 'gateway_operation_duration_seconds',
    help: 'Time from accepted to done of operations that succeeded: from the timestamps of the upstream, else estimated between two polls.',
    buckets: tookBucketsS,
    registers,
  });
  const polls = new Histogram({
    name: 'gateway_operation_polls',
    help: 'Reads of the upstream that one operation took until its end was known.',
    buckets: pollBuckets,
    registers,
  });
  const failedReads = new Counter({
    name: 'gateway_operation_reads_failed_total',
    help: 'Failed reads of an operation, by problem code. The next read follows the schedule; callers see the last known state meanwhile.',
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
