import { describe, expect, it } from 'vitest';
import { liveHistory } from './history.ts';

/** Seeds that once broke a promise, and why. */
const regressions: readonly (readonly [number, string])[] = [
  [9, 'a schedule that learned from late readers made the next caller wait for hours'],
];

describe('a history of gateways, a store and an upstream that fail', () => {
  it('is the same for the same seed', async () => {
    for (const seed of [7, 1016, 2508]) {
      const first = await liveHistory(seed, { traced: true });
      const second = await liveHistory(seed, { traced: true });
      expect(first.trace.length).toBeGreaterThan(10);
      expect(second.trace).toEqual(first.trace);
    }
  });

  it.each(regressions)('is sound for seed %i, where %s', async (seed) => {
    expect((await liveHistory(seed)).violations).toEqual([]);
  });

  it('in front of the service leaves nothing unknown, and pays nothing twice, in 1,000 seeds', async () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 1_000; seed += 1) {
      const report = await liveHistory(seed, { isService: true });
      expect(report.violations, `npm run simulate -- --service --seed ${seed}`).toEqual([]);
      for (const [what, count] of report.seen) seen.set(what, (seen.get(what) ?? 0) + count);
    }
    for (const what of [
      ...['settled accepted', 'settled never', 'settled key refused', 'other store refused'],
      ...['crash before settle', 'crash after settle', 'step unknown → accepted'],
    ]) {
      expect(seen.get(what), what).toBeGreaterThan(1);
    }
  }, 120_000);

  it('shows no double spend and no dishonest outcome in 2,000 seeds, and takes every step', async () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= 2_000; seed += 1) {
      const report = await liveHistory(seed);
      expect(report.violations, `npm run simulate -- --seed ${seed}`).toEqual([]);
      for (const [what, count] of report.seen) seen.set(what, (seen.get(what) ?? 0) + count);
    }
    const steps = [
      ...['absent → reserved', 'reserved → reserved', 'reserved → dispatched', 'reserved → failed'],
      ...['dispatched → accepted', 'dispatched → failed', 'dispatched → unknown'],
      ...['unknown → accepted', 'failed → reserved'],
    ].map((step) => `step ${step}`);
    const faults = [
      'crash during generate',
      'pause',
      'response lost',
      'store crash that lost writes',
      'clock step',
      ...['Generate open', 'Generate half-open', 'Generate closed', 'probed'],
    ];
    // A response that comes after its lease is rare: a create has less time than that.
    const rare = 'step unknown → accepted';
    for (const what of [...steps, ...faults]) {
      expect(seen.get(what), what).toBeGreaterThan(what === rare ? 2 : 10);
    }
  }, 120_000);
});
