/** The part of the rate that is left after one refusal. */
const decreaseRatio = 0.9;
/** The smallest part of the rate that is used: a quota that was cut is hardly smaller than that. */
const factorMin = 0.05;
/** Refusals closer together than that count as one: their reads were under way together. */
const refusalsApartMs = 500;
/** How long after a refusal the rate starts to grow again. */
const holdMs = 1_000;
/** By what part of the whole it then grows in a second. */
const increasePerSecond = 0.015;
const roundingMs = 0.001;

/**
 * The share of the upstream's result-read quota that this process may use.
 *
 * A virtual queue (GCRA): reads leave it evenly spaced, after a small burst.
 * In any second at most `perSecond` + `burst` reads begin.
 *
 * The quota may be smaller than configured: a read that is refused for it
 * lowers the rate, which then grows back slowly and finds what is allowed.
 *
 * Moments are in monotonic time.
 */
export class ReadRateLimiter {
  readonly #burst: number;
  #perSecond: number;
  /** Part of `perSecond` that is used; below 1 after refusals. */
  #factor = 1;
  #growsFromMs = -Infinity;
  #refusedAtMs = -Infinity;
  /** When the virtual queue is empty again. */
  #emptyAtMs = -Infinity;

  constructor(options: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
  }

  /** From now on so many reads a second; what was taken stays taken. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** Milliseconds until the next read may begin. */
  waitMs(elapsedMs: number): number {
    return Math.max(0, this.#emptyAtMs - this.#burstMs(elapsedMs) - elapsedMs);
  }

  /** The upstream refused a read for its quota. */
  refused(elapsedMs: number): void {
    if (elapsedMs - this.#refusedAtMs < refusalsApartMs) return;
    this.#refusedAtMs = elapsedMs;
    this.#factor = Math.max(factorMin, this.#grown(elapsedMs) * decreaseRatio);
    this.#growsFromMs = elapsedMs + holdMs;
  }

  /** Reads a second that may begin now. */
  rate(elapsedMs: number): number {
    return this.#perSecond * this.#grown(elapsedMs);
  }

  /** Takes one read from the rate if it may begin now. */
  tryTake(elapsedMs: number): boolean {
    // Timers and this sum are not exact to the last bit.
    if (this.waitMs(elapsedMs) > roundingMs) return false;
    this.#emptyAtMs = Math.max(this.#emptyAtMs, elapsedMs) + this.#intervalMs(elapsedMs);
    return true;
  }

  #grown(elapsedMs: number): number {
    const grownMs = Math.max(0, elapsedMs - this.#growsFromMs);
    return Math.min(1, this.#factor + (grownMs / 1000) * increasePerSecond);
  }

  #intervalMs(elapsedMs: number): number {
    return 1000 / this.rate(elapsedMs);
  }

  /** While the quota is being found out, reads come one by one. */
  #burstMs(elapsedMs: number): number {
    return this.#grown(elapsedMs) < 1 ? 0 : this.#intervalMs(elapsedMs) * (this.#burst - 1);
  }
}
