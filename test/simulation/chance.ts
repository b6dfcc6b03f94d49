import { seededRandom } from '../support/seeded-random.ts';

/** All that is left to chance in one history: the same for the same seed. */
export class Chance {
  readonly #random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** In [0, 1). */
  fraction(): number {
    return this.#random.fraction();
  }

  seed(): bigint {
    return this.#random.seed();
  }

  /** True this often. */
  often(probability: number): boolean {
    return this.fraction() < probability;
  }

  between(min: number, max: number): number {
    return min + this.fraction() * (max - min);
  }

  /** Mostly near `min`, now and then near `max`: evenly spread over the orders of magnitude. */
  spread(min: number, max: number): number {
    return min * (max / min) ** this.fraction();
  }

  whole(min: number, max: number): number {
    return Math.floor(this.between(min, max + 1));
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.fraction() * items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
