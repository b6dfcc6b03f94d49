import type { Figure } from '../support/figure.ts';

/** One check of a run. */
export interface Check {
  /** What must hold. */
  readonly says: string;
  readonly seen: string;
  readonly isMet: boolean;
  /**
   * Whether it must hold on any machine, however slow and busy: nothing is lost,
   * wrong or unbounded. A short run is judged by these only.
   */
  readonly isFact: boolean;
}

export interface RunOptions {
  readonly isShort: boolean;
  readonly minutes: number;
}

/** The result of a scenario. */
export interface Report {
  readonly checks: readonly Check[];
  /** Figures for the promises; recorded only from long runs. */
  readonly figures: readonly Figure[];
}

/** A check that must hold on any machine. */
export function fact(says: string, isMet: boolean, seen: string): Check {
  return { says, seen, isMet, isFact: true };
}

/** A check that depends on the machine. */
export function goal(says: string, isMet: boolean, seen: string): Check {
  return { says, seen, isMet, isFact: false };
}

/** Whether all checks are met. */
export function areMet(checks: readonly Check[]): boolean {
  return checks.every(({ isMet }) => isMet);
}

/**
 * Settings for scenarios that are not about overload: the gateway must not refuse
 * their requests because the machine is busy with other work.
 */
export const neverBusy = { LOOP_DELAY_MS_MAX: '60000' };
