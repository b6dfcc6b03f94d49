import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';

interface Turn {
  go(): void;
}

/**
 * Reads that wait for the budget, in order of arrival; those that somebody
 * waits for with an open hand, an image's, go before polls.
 *
 * A place in the budget is taken when the read begins, not when it is planned:
 * timers that are late together would else begin their reads together, and
 * more of them in a second than the quota allows.
 */
export class ReadQueue {
  readonly #clock: Clock;
  readonly #budget: ReadRateLimiter;
  readonly #first = new Set<Turn>();
  readonly #others = new Set<Turn>();
  #cancelTimer: CancelTimer | undefined;

  constructor(parts: { readonly clock: Clock; readonly budget: ReadRateLimiter }) {
    this.#clock = parts.clock;
    this.#budget = parts.budget;
  }

  /** Takes a turn if it can be had at once: nobody waits, and the budget allows. */
  tryTake(): boolean {
    const isEmpty = this.#first.size + this.#others.size === 0;
    return isEmpty && this.#budget.tryTake(this.#clock.nowMs());
  }

  /** Calls back when it is the read's turn, never inside this call. Returns how to leave the line. */
  join(go: () => void, options: { readonly isFirst?: boolean } = {}): CancelTimer {
    const turn = { go };
    const line = options.isFirst === true ? this.#first : this.#others;
    line.add(turn);
    this.#arm();
    return () => void line.delete(turn);
  }

  /** About how long one who joins now waits, in milliseconds. */
  waitMs(options: { readonly isFirst?: boolean } = {}): number {
    const nowMs = this.#clock.nowMs();
    const ahead = this.#first.size + (options.isFirst === true ? 0 : this.#others.size);
    return this.#budget.waitMs(nowMs) + (ahead * 1000) / this.#budget.rate(nowMs);
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined) return;
    const waitMs = this.#budget.waitMs(this.#clock.nowMs());
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#advance());
  }

  #advance(): void {
    this.#cancelTimer = undefined;
    const line = this.#first.size > 0 ? this.#first : this.#others;
    const [turn] = line;
    if (turn === undefined) return;
    if (this.#budget.tryTake(this.#clock.nowMs())) {
      line.delete(turn);
      turn.go();
    }
    if (this.#first.size + this.#others.size > 0) this.#arm();
  }
}
