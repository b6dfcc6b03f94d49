import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';

interface Turn {
  go(): void;
}

/**
 * Reads that wait for the read rate limiter, in order of arrival. Reads of an
 * image, whose caller waits for nothing else, go before polls.
 *
 * A read takes from the rate when it begins, not when it is planned: timers that
 * are late together would otherwise begin their reads together, and more of
 * them in a second than the quota allows.
 */
export class ReadQueue {
  readonly #clock: Clock;
  readonly #limiter: ReadRateLimiter;
  readonly #first = new Set<Turn>();
  readonly #others = new Set<Turn>();
  #cancelTimer: CancelTimer | undefined;

  constructor(parts: { readonly clock: Clock; readonly limiter: ReadRateLimiter }) {
    this.#clock = parts.clock;
    this.#limiter = parts.limiter;
  }

  /** Takes a turn if it can be had at once: no read waits, and the rate allows it. */
  tryTake(): boolean {
    const isEmpty = this.#first.size + this.#others.size === 0;
    return isEmpty && this.#limiter.tryTake(this.#clock.elapsedMs());
  }

  /** Calls back when it is the read's turn, never inside this call. Returns how to leave the queue. */
  join(go: () => void, options: { readonly isFirst?: boolean } = {}): CancelTimer {
    const turn = { go };
    const queue = options.isFirst === true ? this.#first : this.#others;
    queue.add(turn);
    this.#arm();
    return () => void queue.delete(turn);
  }

  /** About how long a read that joins now waits, in milliseconds. */
  waitMs(options: { readonly isFirst?: boolean } = {}): number {
    const atMs = this.#clock.elapsedMs();
    const ahead = this.#first.size + (options.isFirst === true ? 0 : this.#others.size);
    return this.#limiter.waitMs(atMs) + (ahead * 1000) / this.#limiter.rate(atMs);
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined) return;
    const waitMs = this.#limiter.waitMs(this.#clock.elapsedMs());
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#advance());
  }

  #advance(): void {
    this.#cancelTimer = undefined;
    const queue = this.#first.size > 0 ? this.#first : this.#others;
    const [turn] = queue;
    if (turn === undefined) return;
    if (this.#limiter.tryTake(this.#clock.elapsedMs())) {
      queue.delete(turn);
      turn.go();
    }
    if (this.#first.size + this.#others.size > 0) this.#arm();
  }
}
