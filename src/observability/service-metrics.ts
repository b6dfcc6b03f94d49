import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describeMetric, type MetricDescription } from './metric-description.ts';

/** The levels of a service at one moment, read at each scrape. */
export interface ServiceGauges {
  readonly operations: Readonly<Record<'queued' | 'running' | 'done', number>>;
  readonly oldestQueuedMs: number;
  readonly inFlight: number;
  readonly isOpen: boolean;
  readonly isPaused: boolean;
  readonly isOwner: boolean;
  readonly imagesBytes: number;
  readonly imagesBytesMax: number;
  readonly isReserveMissing: boolean;
  /** By cause, since the store was made. */
  readonly lost: Readonly<Record<string, { readonly count: number; readonly lastAtMs: number }>>;
}

export interface ServiceMetricsOptions {
  /** Name of what makes the images: one of a few, never a caller's. */
  readonly backend: string;
  /** Whether its images cost money; where they are free nothing is spent. */
  readonly isPaid: boolean;
  /** Seconds since 1970. */
  readonly startedAtS: number;
}

/** The end of an attempt, as the service reports it. */
interface AttemptEnd {
  readonly backend: string;
  readonly outcome: string;
  readonly durationMs: number;
  readonly spent: 'no' | 'yes' | 'unknown';
}

export type ServiceMetrics = ReturnType<typeof openServiceMetrics>;

export const attemptOutcomes = [
  ...(['image', 'requeued', 'failed', 'unknown', 'cancelled', 'late'] as const),
];
export const lossCauses = ['crash', 'stop', 'reset', 'timeout', 'status'] as const;
export const recoveredHows = [
  ...(['queued', 'submitted', 'image_found', 'repeated', 'failed', 'lost'] as const),
];

/** From a queue that is empty to its deadline. */
const waitBucketsS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];
/** From a local drawing to the time-out of a model. */
const attemptBucketsS = [0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600];

/**
 * All metrics of one service, in a registry of its own: a process serves them
 * on a port, and a gateway that has the service inside adds them to its own.
 */
export function openServiceMetrics(options: ServiceMetricsOptions) {
  const registry = new Registry();
  const { backend, isPaid } = options;
  const attempts = attemptMetrics(registry, backend);
  const money = moneyMetrics(registry);
  const recovered = new Counter({
    name: 'recovered_total',
    help: 'Operations that a process before this one left unfinished, by how they were taken up; lost: no one can tell whether the image was paid for.',
    labelNames: ['how'],
    registers: [registry],
  });
  for (const how of recoveredHows) recovered.inc({ how }, 0);
  const writeFailures = new Counter({
    name: 'service_write_failures_total',
    help: 'Writes of an image or of an end that failed; each is tried again once a second until it succeeds.',
    registers: [registry],
  });
  let read: (() => ServiceGauges) | undefined;
  let present: ServiceGauges | undefined;
  levelMetrics(registry, options, () => present);
  lossMetrics(registry, () => present);

  return {
    dispatched: ({ waitedMs }: { readonly waitedMs: number }) => attempts.waited(waitedMs),
    attemptEnded(attempt: AttemptEnd) {
      attempts.ended(attempt);
      if (isPaid) money.attemptEnded(attempt);
    },
    recovered(how: string) {
      recovered.inc({ how });
      if (isPaid && how === 'lost') money.lost();
    },
    late() {
      if (isPaid) money.late();
    },
    writeFailed: () => writeFailures.inc(),
    /** Sets what is read at each scrape. */
    watch(levels: () => ServiceGauges) {
      read = levels;
    },
    contentType: registry.contentType,
    /** All metrics as Prometheus reads them. */
    text: () => {
      // Once for all levels: it looks at every unfinished operation.
      present = read?.();
      return registry.metrics();
    },
    describe: (): readonly MetricDescription[] => registry.getMetricsAsArray().map(describeMetric),
  };
}

function attemptMetrics(registry: Registry, backend: string) {
  const registers = [registry];
  const wait = new Histogram({
    name: 'service_queue_wait_seconds',
    help: 'Time from when an operation was due to its dispatch.',
    buckets: waitBucketsS,
    registers,
  });
  const ends = new Counter({
    name: 'backend_attempts_total',
    help: 'Ended attempts to have an image made, by what became of them; unknown: the response got lost, and the image may have been paid for.',
    labelNames: ['backend', 'outcome'],
    registers,
  });
  // Each series starts at 0, else Prometheus does not see its first increase.
  for (const outcome of attemptOutcomes) ends.inc({ backend, outcome }, 0);
  const duration = new Histogram({
    name: 'backend_attempt_seconds',
    help: 'Duration of attempts, failed ones included.',
    labelNames: ['backend'],
    buckets: attemptBucketsS,
    registers,
  });
  return {
    waited: (waitedMs: number) => wait.observe(waitedMs / 1000),
    ended(attempt: AttemptEnd) {
      const { outcome, durationMs } = attempt;
      ends.inc({ backend: attempt.backend, outcome });
      duration.observe({ backend: attempt.backend }, durationMs / 1000);
    },
  };
}

/** Images that were paid for, and what became of those that no caller gets. */
function moneyMetrics(registry: Registry) {
  const registers = [registry];
  const spent = new Counter({
    name: 'spent_total',
    help: 'Attempts that cost what an image costs, or may have. 0 where images are free.',
    registers,
  });
  const late = new Counter({
    name: 'spent_late_total',
    help: 'Paid images that came when their operation had ended or another process had taken over. Their files are kept for a day.',
    registers,
  });
  const cancelled = new Counter({
    name: 'spent_cancelled_total',
    help: 'Paid images that their callers had cancelled.',
    registers,
  });
  return {
    lost: () => spent.inc(),
    late: () => late.inc(),
    attemptEnded({ outcome, spent: how }: AttemptEnd) {
      if (how === 'no') return;
      spent.inc();
      if (outcome === 'cancelled') cancelled.inc();
    },
  };
}

/** One level: its name, what it means, and its value by label. */
type Level = readonly [
  name: string,
  help: string,
  read: (now: ServiceGauges, backend: string) => number | Readonly<Record<string, number>>,
  label?: string,
];

const levels: readonly Level[] = [
  [
    'service_operations',
    'Operations in the store, by state; done: ended and kept.',
    ({ operations }) => operations,
    'state',
  ],
  [
    'service_queue_age_seconds',
    'Time since the oldest queued operation was due; 0 for an empty queue.',
    ({ oldestQueuedMs }) => oldestQueuedMs / 1000,
  ],
  [
    'service_owner',
    '1 in the process that has images made; another process on the same directory accepts and reads.',
    ({ isOwner }) => Number(isOwner),
  ],
  [
    'service_disk_reserve_missing',
    '1 when the disk had no room for the images that are being made: nothing is dispatched.',
    ({ isReserveMissing }) => Number(isReserveMissing),
  ],
  [
    'backend_in_flight',
    'Attempts under way.',
    ({ inFlight }, backend) => ({ [backend]: inFlight }),
    'backend',
  ],
  [
    'backend_open',
    '1 while the backend is asked for images; 0 while it is shut off by its answers, or paused.',
    ({ isOpen }, backend) => ({ [backend]: Number(isOpen) }),
    'backend',
  ],
  [
    'backend_paused',
    '1 while an operator has paused the backend.',
    ({ isPaused }, backend) => ({ [backend]: Number(isPaused) }),
    'backend',
  ],
  ['images_bytes', 'Bytes of all images on disk.', ({ imagesBytes }) => imagesBytes],
  [
    'images_max_bytes',
    'Bound of the bytes of all images on disk (IMAGES_BYTES_MAX).',
    ({ imagesBytesMax }) => imagesBytesMax,
  ],
];

/** Kept with the operations: a loss at the end of a process is seen in the next one. */
function lossMetrics(registry: Registry, now: () => ServiceGauges | undefined): void {
  const registers = [registry];
  const unknown: Counter = new Counter({
    name: 'spent_unknown_total',
    help: 'Images of which no one can tell whether they were paid for, since the store was made, by how they got lost. They are not asked for again.',
    labelNames: ['cause'],
    registers,
    collect: () => {
      unknown.reset();
      const lost = now()?.lost ?? {};
      for (const cause of lossCauses) unknown.inc({ cause }, lost[cause]?.count ?? 0);
    },
  });
  const last: Gauge = new Gauge({
    name: 'spent_unknown_last_timestamp_seconds',
    help: 'When the last of them ended, in seconds since 1970; 0 where there is none.',
    labelNames: ['cause'],
    registers,
    collect: () => {
      const lost = now()?.lost ?? {};
      for (const cause of lossCauses) last.set({ cause }, (lost[cause]?.lastAtMs ?? 0) / 1000);
    },
  });
}

function levelMetrics(
  registry: Registry,
  { backend, startedAtS }: ServiceMetricsOptions,
  now: () => ServiceGauges | undefined,
): void {
  const registers = [registry];
  new Gauge({
    name: 'service_start_time_seconds',
    help: 'When the service started, in seconds since 1970.',
    registers,
  }).set(startedAtS);
  for (const [name, help, read, label] of levels) {
    const gauge: Gauge = new Gauge({
      ...{ name, help, registers },
      labelNames: label === undefined ? [] : [label],
      collect: () => {
        const present = now();
        if (present === undefined) return;
        const value = read(present, backend);
        if (typeof value === 'number') return gauge.set(value);
        for (const [key, part] of Object.entries(value)) gauge.set({ [label ?? '']: key }, part);
      },
    });
  }
}
