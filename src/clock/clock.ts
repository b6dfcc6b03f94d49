/**
 * What the operations core takes from its surroundings.
 *
 * The core reads no clock and draws no number itself, so that a simulation can
 * run years of it in seconds and repeat any run from its seed.
 */

/** Ends a timer that has not fired; harmless afterwards. */
export type CancelTimer = () => void;

export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. May step; used for what callers read. */
  nowMs(): number;
  /** Calls back once after at least `delayMs`; never inside this call. */
  after(delayMs: number, callback: () => void): CancelTimer;
  /** Calls back in a later turn of the loop, after waiting I/O was served. */
  nextTurn(callback: () => void): void;
}

export interface Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** A seed for the upstream, 1 … 2^53 − 1: exact in a double, and never "draw one". */
  seed(): bigint;
}
