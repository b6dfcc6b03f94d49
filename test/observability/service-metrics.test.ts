import { describe, expect, it } from 'vitest';
import { openServiceMetrics, type ServiceGauges } from '../../src/observability/service-metrics.ts';
import { Exposition } from '../support/exposition.ts';
import { labelBounds } from '../support/label-bounds.ts';

const levels: ServiceGauges = {
  operations: { queued: 3, running: 2, done: 1 },
  ...{ oldestQueuedMs: 4_000, inFlight: 2, isOpen: false, isPaused: true, isOwner: true },
  ...{ imagesBytes: 7, imagesBytesMax: 70, isReserveMissing: true },
  lost: {
    reset: { count: 2, lastAtMs: 1_790_000_000_000 },
    crash: { count: 1, lastAtMs: 1_780_000_000_000 },
  },
};

function opened(isPaid = true) {
  const metrics = openServiceMetrics({ backend: 'openai', isPaid, startedAtS: 1_800_000_000 });
  metrics.watch(() => levels);
  return metrics;
}

type Opened = ReturnType<typeof opened>;

async function scraped({ text }: Opened): Promise<Exposition> {
  return new Exposition(await text());
}

const ended = (outcome: string, spent: 'no' | 'yes' | 'unknown') => ({
  ...{ backend: 'openai', outcome, durationMs: 2_000, spent },
});

function play(metrics: Opened): void {
  metrics.dispatched({ waitedMs: 700 });
  metrics.attemptEnded(ended('image', 'yes'));
  metrics.attemptEnded(ended('requeued', 'no'));
  metrics.attemptEnded(ended('failed', 'yes'));
  metrics.attemptEnded(ended('unknown', 'unknown'));
  metrics.attemptEnded(ended('failed', 'unknown'));
  metrics.attemptEnded(ended('cancelled', 'yes'));
  metrics.attemptEnded(ended('cancelled', 'no'));
  metrics.attemptEnded(ended('late', 'yes'));
  metrics.late();
  metrics.recovered('lost');
  metrics.recovered('queued');
  metrics.writeFailed();
}

describe('what a service spent', () => {
  it('is counted with what became of it', async () => {
    const metrics = opened();
    play(metrics);
    const scrape = await scraped(metrics);
    expect({
      spent: scrape.sum('spent_total'),
      unknown: scrape.sum('spent_unknown_total'),
      crash: scrape.sum('spent_unknown_total', { cause: 'crash' }),
      reset: scrape.sum('spent_unknown_total', { cause: 'reset' }),
      lastReset: scrape.sum('spent_unknown_last_timestamp_seconds', { cause: 'reset' }),
      lastStop: scrape.sum('spent_unknown_last_timestamp_seconds', { cause: 'stop' }),
      late: scrape.sum('spent_late_total'),
      cancelled: scrape.sum('spent_cancelled_total'),
    }).toStrictEqual({
      ...{ spent: 7, unknown: 3, crash: 1, reset: 2, late: 1, cancelled: 1 },
      ...{ lastReset: 1_790_000_000, lastStop: 0 },
    });
  });

  it('is nothing where images are free', async () => {
    const metrics = opened(false);
    play(metrics);
    const scrape = await scraped(metrics);
    const names = ['spent_total', 'spent_late_total', 'spent_cancelled_total'];
    for (const name of names) expect(scrape.sum(name)).toBe(0);
    expect(scrape.sum('backend_attempts_total')).toBe(8);
  });
});

describe('the metrics of a service', () => {
  it('tell levels, attempts and waits', async () => {
    const metrics = opened();
    play(metrics);
    const scrape = await scraped(metrics);
    const value = (name: string, labels = {}) => scrape.sum(name, labels);
    expect(value('service_operations', { state: 'queued' })).toBe(3);
    expect(value('service_operations')).toBe(6);
    expect(value('service_queue_age_seconds')).toBe(4);
    expect(value('backend_open', { backend: 'openai' })).toBe(0);
    expect(value('backend_paused', { backend: 'openai' })).toBe(1);
    expect(value('backend_in_flight', { backend: 'openai' })).toBe(2);
    expect(value('service_disk_reserve_missing')).toBe(1);
    expect(value('images_bytes')).toBe(7);
    expect(value('service_queue_wait_seconds_sum')).toBe(0.7);
    expect(value('backend_attempt_seconds_count', { backend: 'openai' })).toBe(8);
    expect(value('recovered_total', { how: 'lost' })).toBe(1);
    expect(value('service_write_failures_total')).toBe(1);
  });

  it('have the same series from the first scrape on, and only labels that are known', async () => {
    const metrics = opened();
    const before = await scraped(metrics);
    play(metrics);
    const after = await scraped(metrics);
    const duration = (series: string) => series.startsWith('backend_attempt_seconds');
    expect([...after.series].filter((series) => !duration(series)).toSorted()).toStrictEqual(
      [...before.series].filter((series) => !duration(series)).toSorted(),
    );
    const strangers = after.samples.flatMap(({ labels }) =>
      Object.entries(labels).filter(([label, value]) => labelBounds[label]?.has(value) !== true),
    );
    expect(strangers).toStrictEqual([]);
  });

  it('has no level before the service is open', async () => {
    const { text } = openServiceMetrics({ backend: 'local', isPaid: false, startedAtS: 1 });
    expect(new Exposition(await text()).sum('service_start_time_seconds')).toBe(1);
  });
});
