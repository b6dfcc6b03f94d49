import { describe, expect, test } from 'vitest';
import { playHistory } from './history.ts';

const seeds = Array.from({ length: 150 }, (_, index) => index + 1);

describe.each(['free', 'once'] as const)('a renderer that is %s', (spend) => {
  test(
    'loses nothing that was accepted, whatever ends its process',
    { timeout: 60_000 },
    async () => {
      const total = { accepted: 0, images: 0, lost: 0, kills: 0, pauses: 0 };
      for (const seed of seeds) {
        const { violations, counts } = await playHistory(seed, spend);
        expect(
          violations,
          `npm run simulate:service -- --seed ${seed} --spend ${spend}`,
        ).toStrictEqual([]);
        for (const name of Object.keys(total) as (keyof typeof total)[])
          total[name] += counts[name];
      }
      // The histories have to be worth playing.
      expect(total.kills).toBeGreaterThan(500);
      expect(total.pauses).toBeGreaterThan(500);
      expect(total.images).toBeGreaterThan(1_000);
      // What is free is made again; what was paid for may be lost, and is reported as lost.
      if (spend === 'free') expect(total.lost).toBe(0);
      else expect(total.lost).toBeGreaterThan(100);
    },
  );
});
