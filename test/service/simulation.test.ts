import { describe, expect, test } from 'vitest';
import { playHistory } from './history.ts';

const seeds = Array.from({ length: 300 }, (_, index) => index + 1);

describe.each(['free', 'findable', 'once'] as const)('a renderer that is %s', (spend) => {
  test(
    'keeps what was accepted and spends once, whatever goes wrong',
    { timeout: 120_000 },
    async () => {
      const total = new Map<string, number>();
      for (const seed of seeds) {
        const { violations, counts } = await playHistory(seed, spend);
        expect(
          violations,
          `npm run simulate:service -- --seed ${seed} --spend ${spend}`,
        ).toStrictEqual([]);
        for (const [name, count] of counts) total.set(name, (total.get(name) ?? 0) + count);
      }
      // The histories have to be worth playing.
      const worth = ['kill', 'stop', 'pause', 'full disk', 'clock step', 'cancel', 'end: image'];
      for (const name of worth) expect(total.get(name), name).toBeGreaterThan(100);
      expect(total.get('recovered image_found')).toBeGreaterThan(10);
      // What is free is made again; what was paid for may be lost, and is reported as lost.
      if (spend === 'free') expect(total.get('end: OUTCOME_UNKNOWN')).toBeUndefined();
      else expect(total.get('end: OUTCOME_UNKNOWN')).toBeGreaterThan(20);
    },
  );
});
