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

  it('refuses a place in a line that is too long, and takes none', () => {
    const budget = new ReadBudget({ perSecond: 10, burst: 1 });
    for (let count = 0; count < 10; count += 1) budget.reserveMs(0);
    expect(budget.reserveMs(0, 900)).toBeUndefined();
    expect(budget.reserveMs(0, 1_000)).toBe(1_000);
  });

  it('finds a quota that was halved, and uses nine tenths of it', () => {
    const allowed = 20;
    const budget = new ReadBudget({ perSecond: 40, burst: 8 });
    const taken: number[] = [];
    let refused = 0;
    for (let nowMs = 0; nowMs < 120_000;) {
      nowMs += budget.reserveMs(nowMs);
      const isOver = taken.filter((atMs) => atMs > nowMs - 1_000).length >= allowed;
      if (isOver) budget.refused(nowMs);
      if (isOver) refused += 1;
      else taken.push(nowMs);
    }
    expect(taken.length / 120).toBeGreaterThan(0.9 * allowed);
    expect(refused / taken.length).toBeLessThan(0.1);
  });

  it('grows back to what it was once nothing is refused any more', () => {
    const budget = new ReadBudget({ perSecond: 40, burst: 8 });
    for (let nowMs = 0; nowMs < 30_000; nowMs += 1_000) budget.refused(nowMs);
    expect(budget.rate(30_000)).toBeLessThan(5);
    expect(budget.rate(120_000)).toBe(40);
  });
});
