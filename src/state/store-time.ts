import type { Clock } from '../clock/clock.ts';

/** The clock of the machine, as a store needs it. */
export type StoreClock = Pick<Clock, 'nowMs' | 'elapsedMs'>;

/**
 * The time of a store whose rows outlive the process, in milliseconds since 1970.
 * The machine's clock may step while the process runs; monotonic time does not.
 */
export interface StoreTime {
  /** The start's wall time plus what has passed since: never steps. For leases and limits. */
  readonly steadyMs: () => number;
  /** The earlier one of wall and steady time. A row that is gone by it is gone by both. */
  readonly earliestMs: () => number;
  /** The later one of wall and steady time. A row that is kept from it on is kept long enough by both. */
  readonly latestMs: () => number;
}

export function storeTime(clock: StoreClock): StoreTime {
  const aheadMs = clock.nowMs() - clock.elapsedMs();
  const steadyMs = () => aheadMs + clock.elapsedMs();
  return {
    steadyMs,
    earliestMs: () => Math.min(clock.nowMs(), steadyMs()),
    latestMs: () => Math.max(clock.nowMs(), steadyMs()),
  };
}
