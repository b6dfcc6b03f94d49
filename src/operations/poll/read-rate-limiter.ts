/** What is left of the rate after one refusal. */
const decreaseRatio = 0.9;
/** A quota can be cut, but hardly to less than that. */
const factorMin = 0.05;
/** Refusals of reads that were under way together are one. */
const refusalsApartMs = 500;
/** How long after a refusal the rate grows again, and by what part of the whole in a second. */
const holdMs = 1_000;
const increasePerSecond = 0.015;
const roundingMs = 0.001;

/**
 * The share of the upstream's result-read quota that this process may use.
 *
 * A virtual queue (GCRA): reads leave it evenly spaced, after a small burst.
 * In any second at most `perSecond` + `burst` reads begin.
 *
 * The quota may be smaller than it was said to be: a read that is refused for
 * it lowers the rate, which then grows back slowly and finds what is allowed.
 */
export class ReadRateLimiter {
  readonly #burst: number;
  #perSecond: number;
  /** Part of `perSecond` that is used; below 1 after refusals. */
  #factor = 1;
  #growsFromMs = 0;
  #refusedAtMs = -Infinity;
  /** When the queue is empty again. */
  #emptyAtMs = 0;

  constructor(options: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
  }

  /** From now on so many reads a second; places that were taken stay as they are. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** Milliseconds until the next read may begin. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#emptyAtMs - this.#burstMs(nowMs) - nowMs);
  }

  /** The upstream refused a read for its quota. */
  refused(nowMs: number): void {
    if (nowMs - this.#refusedAtMs < refusalsApartMs) return;
    this.#refusedAtMs = nowMs;
    this.#factor = Math.max(factorMin, this.#grown(nowMs) * decreaseRatio);
    this.#growsFromMs = nowMs + holdMs;
  }

  /** Reads a second that may begin now. */
  rate(nowMs: number): number {
    return this.#perSecond * this.#grown(nowMs);
  }

  /** Takes a place if the read may begin now. */
  tryTake(nowMs: number): boolean {
    // Timers and this sum are not exact to the last bit.
    if (this.waitMs(nowMs) > roundingMs) return false;
    this.#emptyAtMs = Math.max(this.#emptyAtMs, nowMs) + this.#intervalMs(nowMs);
    return true;
  }

  #grown(nowMs: number): number {
    const grownMs = Math.max(0, nowMs - this.#growsFromMs);
    return Math.min(1, this.#factor + (grownMs / 1000) * increasePerSecond);
  }

  #intervalMs(nowMs: number): number {
    return 1000 / this.rate(nowMs);
  }

  /** While the quota is being found out, reads come one by one. */
  #burstMs(nowMs: number): number {
    return this.#grown(nowMs) < 1 ? 0 : this.#intervalMs(nowMs) * (this.#burst - 1);
  }
}
