import { describe, expect, it } from 'vitest';
import { ReadBudget } from '../../src/operations/read-budget.ts';

describe('ReadBudget', () => {
  it('never lets more than rate + burst begin in any second', () => {
    const budget = new ReadBudget({ perSecond: 40, burst: 8 });
    const starts = Array.from({ length: 400 }, (_, index) => {
      const nowMs = index < 200 ? 0 : 12_000;
      return nowMs + budget.reserveMs(nowMs);
    });
    for (const start of starts) {
      const within = starts.filter((other) => other >= start && other < start + 1000).length;
      expect(within).toBeLessThanOrEqual(48);
    }
  });

  it('gives the whole rate to steady demand', () => {
    const budget = new ReadBudget({ perSecond: 40, burst: 8 });
    const last = Array.from({ length: 400 }, () => budget.reserveMs(0)).at(-1) ?? 0;
    expect(last).toBeLessThanOrEqual(10_000);
  });

  it('refuses at once what would have to wait', () => {
    const budget = new ReadBudget({ perSecond: 10, burst: 2 });
    expect([budget.tryTake(0), budget.tryTake(0), budget.tryTake(0)]).toEqual([true, true, false]);
    expect(budget.tryTake(100)).toBe(true);
  });
});
