/** Cancels a timer that has not fired; harmless afterwards. */
export type CancelTimer = () => void;

/**
 * Time and timers, as the code that needs them takes them from its surroundings.
 *
 * There are two kinds of time, and they don't mix:
 *
 * - Wall time (`nowMs`) follows the calendar and steps whenever a caller or NTP
 *   sets the machine's clock. It is for what outlives the process (records,
 *   sealed ids, expiry dates of tokens) and for what people read.
 * - Monotonic time (`elapsedMs`) never steps. It is for every duration: how
 *   long to wait, how long ago, how many in a second. A duration measured by
 *   wall time makes callers wait for an hour when the clock is set back by one.
 *
 * A simulation brings its own clock, so it runs hours of traffic in seconds and
 * repeats any run from its seed.
 */
export interface Clock {
  /** Wall time: milliseconds since 1970-01-01 UTC. May step forwards and backwards. */
  nowMs(): number;
  /** Monotonic time: milliseconds since some moment of this process. Never goes back; means nothing elsewhere. */
  elapsedMs(): number;
  /** Calls back once after at least `delayMs` of monotonic time; never inside this call. */
  after(delayMs: number, callback: () => void): CancelTimer;
  /** Calls back in a later turn of the loop, after waiting I/O was served. */
  nextTurn(callback: () => void): void;
}
