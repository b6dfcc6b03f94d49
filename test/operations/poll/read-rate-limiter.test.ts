import { describe, expect, it } from 'vitest';
import { ReadRateLimiter } from '../../../src/operations/poll/read-rate-limiter.ts';
import { ReadQueue } from '../../../src/operations/poll/read-queue.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('ReadRateLimiter', () => {
  it('lets no more than its burst begin at once', () => {
    const limiter = new ReadRateLimiter({ perSecond: 10, burst: 2 });
    expect([limiter.tryTake(0), limiter.tryTake(0), limiter.tryTake(0)]).toEqual([
      true,
      true,
      false,
    ]);
    expect(limiter.tryTake(100)).toBe(true);
  });

  it('finds a quota that was halved, and uses nine tenths of it', () => {
    const allowed = 20;
    const limiter = new ReadRateLimiter({ perSecond: 40, burst: 1 });
    const taken: number[] = [];
    let refused = 0;
    for (let nowMs = 0; nowMs < 120_000; nowMs += 1) {
      if (!limiter.tryTake(nowMs)) continue;
      const isOver = taken.filter((atMs) => atMs > nowMs - 1_000).length >= allowed;
      if (isOver) limiter.refused(nowMs);
      if (isOver) refused += 1;
      else taken.push(nowMs);
    }
    expect(taken.length / 120).toBeGreaterThan(0.9 * allowed);
    expect(refused / taken.length).toBeLessThan(0.1);
  });

  it('grows back to what it was once nothing is refused any more', () => {
    const limiter = new ReadRateLimiter({ perSecond: 40, burst: 8 });
    for (let nowMs = 0; nowMs < 30_000; nowMs += 1_000) limiter.refused(nowMs);
    expect(limiter.rate(30_000)).toBeLessThan(5);
    expect(limiter.rate(120_000)).toBe(40);
  });
});

describe('ReadQueue', () => {
  function openQueue(burst = 1) {
    const clock = new VirtualClock();
    const queue = new ReadQueue({ clock, limiter: new ReadRateLimiter({ perSecond: 40, burst }) });
    const startMs = clock.elapsedMs();
    return { clock, queue, sinceMs: () => clock.elapsedMs() - startMs };
  }

  it('lets reads begin evenly, the whole rate of them', async () => {
    const { clock, queue, sinceMs } = openQueue();
    const begun: number[] = [];
    for (let count = 0; count < 400; count += 1) queue.join(() => begun.push(sinceMs()));
    await clock.advance(10_000);
    expect(begun).toHaveLength(400);
    for (const start of begun) {
      const within = begun.filter((other) => other >= start && other < start + 1_000).length;
      expect(within).toBeLessThanOrEqual(40);
    }
  });

  it('does not make up for the time in which timers were late', async () => {
    const { clock, queue, sinceMs } = openQueue();
    const begun: number[] = [];
    const stallMs = 500;
    let isStalled = false;
    const late = new ReadQueue({
      clock: {
        ...clock,
        nowMs: () => clock.nowMs(),
        elapsedMs: () => clock.elapsedMs(),
        nextTurn: (callback) => clock.nextTurn(callback),
        after: (delayMs, callback) => {
          const extraMs = isStalled ? 0 : stallMs;
          isStalled = true;
          return clock.after(delayMs + extraMs, callback);
        },
      },
      limiter: new ReadRateLimiter({ perSecond: 40, burst: 1 }),
    });
    for (let count = 0; count < 100; count += 1) late.join(() => begun.push(sinceMs()));
    await clock.advance(1_500);
    expect(begun[0]).toBe(stallMs);
    expect(begun.filter((atMs) => atMs < stallMs + 100).length).toBeLessThanOrEqual(5);
    expect(queue.waitMs()).toBe(0);
  });

  it('lets images go before polls, and forgets who left', async () => {
    const { clock, queue } = openQueue();
    const order: string[] = [];
    queue.join(() => order.push('poll'));
    const leave = queue.join(() => order.push('gone'));
    queue.join(() => order.push('image'), { isFirst: true });
    leave();
    await clock.advance(1_000);
    expect(order).toEqual(['image', 'poll']);
    expect(clock.pending).toBe(0);
  });

  it('lets no read overtake one that waits, and says how long the wait is', () => {
    const { queue } = openQueue();
    expect(queue.tryTake()).toBe(true);
    for (let count = 0; count < 80; count += 1) queue.join(() => undefined);
    expect(queue.tryTake()).toBe(false);
    expect(queue.waitMs()).toBeGreaterThan(1_900);
    expect(queue.waitMs({ isFirst: true })).toBeLessThan(100);
  });

  it('gives every owner its turn, however many reads another one waits for', async () => {
    const { clock, queue } = openQueue();
    const begun: string[] = [];
    const join = (owner: string, isFirst: boolean) =>
      queue.join(() => begun.push(owner), { owner, isFirst });
    for (let count = 0; count < 400; count += 1) join('greedy', count % 2 === 0);
    expect(queue.waitMs({ owner: 'greedy', isFirst: true })).toBeGreaterThan(4_000);
    expect(queue.waitMs({ owner: 'modest', isFirst: true })).toBeLessThan(100);
    join('modest', true);
    join('other', true);
    await clock.advance(100);
    expect(begun.slice(0, 4)).toEqual(expect.arrayContaining(['modest', 'other']));
    await clock.advance(11_000);
    expect(begun).toHaveLength(402);
    expect(clock.pending).toBe(0);
  });

  it('gives polls of every owner their turn too', async () => {
    const { clock, queue } = openQueue();
    const begun: string[] = [];
    for (let count = 0; count < 100; count += 1) {
      queue.join(() => begun.push('greedy'), { owner: 'greedy' });
    }
    queue.join(() => begun.push('modest'), { owner: 'modest' });
    await clock.advance(100);
    expect(begun.slice(0, 3)).toContain('modest');
  });
});
