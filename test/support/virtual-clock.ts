import type { CancelTimer, Clock } from '../../src/clock/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that moves only by `advance`, and then runs what is due, in order. Its wall time can be stepped. */
export class VirtualClock implements Clock {
  /** Small, as in a process that has just started: wall and monotonic time can't be mixed up unnoticed. */
  #elapsedMs = 1_000;
  #wallAheadMs: number;
  #order = 0;
  #timers: Timer[] = [];

  constructor(startMs = 1_800_000_000_000) {
    this.#wallAheadMs = startMs - this.#elapsedMs;
  }

  nowMs(): number {
    return this.#elapsedMs + this.#wallAheadMs;
  }

  elapsedMs(): number {
    return this.#elapsedMs;
  }

  /** Sets the wall time forwards or backwards, as NTP or an operator does. No timer fires for it. */
  stepWall(ms: number): void {
    this.#wallAheadMs += ms;
  }

  after(delayMs: number, callback: () => void): CancelTimer {
    const atMs = this.#elapsedMs + Math.max(0, delayMs);
    const timer = { atMs, order: (this.#order += 1), callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  nextTurn(callback: () => void): void {
    this.after(0, callback);
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time forward: timers fire at their moment, and promises settle in between. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
      next.callback();
      await settle();
    }
    this.#elapsedMs = untilMs;
  }
}

/** Lets every promise that can settle now settle. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
