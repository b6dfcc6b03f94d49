/**
 * The share of the upstream's result-read quota that this process may use.
 *
 * A virtual queue (GCRA): reads leave it evenly spaced, after a small burst.
 * In any second at most `perSecond` + `burst` reads begin.
 */
export class ReadBudget {
  readonly #burst: number;
  #intervalMs: number;
  /** When the queue is empty again. */
  #emptyAtMs = 0;

  constructor(options: { readonly perSecond: number; readonly burst: number }) {
    this.#intervalMs = 1000 / options.perSecond;
    this.#burst = options.burst;
  }

  /** From now on so many reads a second; places that were taken stay as they are. */
  setRate(perSecond: number): void {
    this.#intervalMs = 1000 / perSecond;
  }

  /** Takes a place in the queue: how many milliseconds to wait before the read. */
  reserveMs(nowMs: number): number;
  /** The same, but takes none, and returns undefined, where that would be more than `queueMsMax`. */
  reserveMs(nowMs: number, queueMsMax: number): number | undefined;
  reserveMs(nowMs: number, queueMsMax = Infinity): number | undefined {
    const startMs = Math.max(this.#emptyAtMs, nowMs);
    const queuedMs = Math.max(0, startMs - this.#burstMs() - nowMs);
    if (queuedMs > queueMsMax) return undefined;
    this.#emptyAtMs = startMs + this.#intervalMs;
    return queuedMs;
  }

  /** Takes a place only if the read may begin at once. */
  tryTake(nowMs: number): boolean {
    if (Math.max(this.#emptyAtMs, nowMs) - this.#burstMs() > nowMs) return false;
    this.reserveMs(nowMs);
    return true;
  }

  #burstMs(): number {
    return this.#intervalMs * (this.#burst - 1);
  }
}
