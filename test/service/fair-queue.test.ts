import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FairQueue } from '../../src/service/fair-queue.ts';

const nowMs = 100;
const operations = fc.uniqueArray(
  fc.record({
    id: fc.nat({ max: 1_000 }).map(String),
    owner: fc.constantFrom('a', 'b', 'c'),
    dueAtMs: fc.nat({ max: 150 }),
    deadlineAtMs: fc.constant(1_000),
  }),
  { selector: ({ id }) => id, maxLength: 30 },
);

it('tells the place in which operations are taken', () => {
  fc.assert(
    fc.property(operations, (queued) => {
      const queue = new FairQueue();
      for (const operation of queued) queue.add(operation);
      const places = new Map(queued.map(({ id }) => [id, queue.positionOf(id, nowMs)]));
      for (let place = 1; ; place += 1) {
        const next = queue.take(nowMs);
        if (next === undefined) break;
        expect(places.get(next.id)).toBe(place);
        places.delete(next.id);
      }
      // What is not due yet has no place, and neither has what is not there.
      expect([...places.values()].every((place) => place === undefined)).toBe(true);
      expect(queue.positionOf('unknown', nowMs)).toBeUndefined();
    }),
  );
});
