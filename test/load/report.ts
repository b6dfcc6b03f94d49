import type { Figure } from '../support/figure.ts';

/** One thing that a run has to show. */
export interface Check {
  /** What has to hold. */
  readonly says: string;
  readonly seen: string;
  readonly isMet: boolean;
  /**
   * Whether it holds on any machine, however slow and busy: nothing is lost,
   * wrong or without bounds. A short run is judged by these alone.
   */
  readonly isFact: boolean;
}

export interface RunOptions {
  readonly isShort: boolean;
  readonly minutes: number;
}

/** What a scenario found. */
export interface Report {
  readonly checks: readonly Check[];
  /** Of the promises it shows; only kept from long runs. */
  readonly figures: readonly Figure[];
}

/** A fact: it must hold everywhere. */
export function fact(says: string, isMet: boolean, seen: string): Check {
  return { says, seen, isMet, isFact: true };
}

/** A figure that depends on the machine. */
export function goal(says: string, isMet: boolean, seen: string): Check {
  return { says, seen, isMet, isFact: false };
}

/** All of them, in a few words. */
export function areMet(checks: readonly Check[]): boolean {
  return checks.every(({ isMet }) => isMet);
}

/**
 * For scenarios that are not about overload: a machine that is busy with other
 * things must not make the gateway refuse what they begin with.
 */
export const neverBusy = { LOOP_DELAY_MS_MAX: '60000' };
