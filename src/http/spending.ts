import type { SpendOutcome } from '../errors/gateway-error.ts';

/** What counts more where the images of one request ended differently. */
const rank: Readonly<Record<SpendOutcome, number>> = { not_started: 0, unknown: 1, accepted: 2 };

/**
 * What became of the money of one create, of all its images together. The
 * response and the log line both read it here, so they can not disagree.
 */
export class Spending {
  #ended: SpendOutcome = 'not_started';
  #underWay = 0;

  /** Nothing was spent; unknown while a call that spends is under way; then the outcome that counts most. */
  get outcome(): SpendOutcome {
    return this.#underWay > 0 && this.#ended === 'not_started' ? 'unknown' : this.#ended;
  }

  /** Begins a call that spends. @returns ends it; only the first call counts. */
  begin(): (outcome: SpendOutcome) => void {
    this.#underWay += 1;
    let isEnded = false;
    return (outcome) => {
      if (isEnded) return;
      isEnded = true;
      this.#underWay -= 1;
      if (rank[outcome] > rank[this.#ended]) this.#ended = outcome;
    };
  }
}
