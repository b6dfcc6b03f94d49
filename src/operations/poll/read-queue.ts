import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';
import { TurnsByOwner } from './turns-by-owner.ts';

export interface TurnOptions {
  /** Whether it goes before polls. */
  readonly isFirst?: boolean;
  /** For whom the read is. Owners take turns. */
  readonly owner?: string;
}

/**
 * Reads that wait for the read rate limiter. Reads of an image, whose caller
 * waits for nothing else, go before polls. Among equals the owners take turns,
 * and the reads of one owner go in order of arrival, so that a caller who asks
 * for many images does not keep others from theirs.
 *
 * A read takes from the rate when it begins, not when it is planned: timers that
 * are late together would otherwise begin their reads together, and more of
 * them in a second than the quota allows.
 */
export class ReadQueue {
  readonly #clock: Clock;
  readonly #limiter: ReadRateLimiter;
  readonly #first = new TurnsByOwner();
  readonly #others = new TurnsByOwner();
  #cancelTimer: CancelTimer | undefined;

  constructor(parts: { readonly clock: Clock; readonly limiter: ReadRateLimiter }) {
    this.#clock = parts.clock;
    this.#limiter = parts.limiter;
  }

  /** Takes a turn if it can be had at once: no read waits, and the rate allows it. */
  tryTake(): boolean {
    return this.#size === 0 && this.#limiter.tryTake(this.#clock.elapsedMs());
  }

  /** Calls back when it is the read's turn, never inside this call. Returns how to leave the queue. */
  join(go: () => void, { isFirst = false, owner = '' }: TurnOptions = {}): CancelTimer {
    const leave = (isFirst ? this.#first : this.#others).add(owner, go);
    this.#arm();
    return leave;
  }

  /** About how long a read that joins now waits, in milliseconds. */
  waitMs({ isFirst = false, owner = '' }: TurnOptions = {}): number {
    const atMs = this.#clock.elapsedMs();
    const ahead = isFirst
      ? this.#first.aheadOf(owner)
      : this.#first.size + this.#others.aheadOf(owner);
    return this.#limiter.waitMs(atMs) + (ahead * 1000) / this.#limiter.rate(atMs);
  }

  get #size(): number {
    return this.#first.size + this.#others.size;
  }

  #arm(): void {
    if (this.#cancelTimer !== undefined) return;
    const waitMs = this.#limiter.waitMs(this.#clock.elapsedMs());
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#advance());
  }

  #advance(): void {
    this.#cancelTimer = undefined;
    if (this.#size === 0) return;
    if (this.#limiter.tryTake(this.#clock.elapsedMs())) {
      const turns = this.#first.size > 0 ? this.#first : this.#others;
      turns.next()?.();
    }
    if (this.#size > 0) this.#arm();
  }
}
