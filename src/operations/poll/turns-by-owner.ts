interface Turn {
  readonly go: () => void;
}

/** Turns that wait, by owner: the owners take turns, each with its own in order of arrival. */
export class TurnsByOwner {
  /** In the order in which the owners have their turn. */
  readonly #byOwner = new Map<string, Set<Turn>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns how to leave. */
  add(owner: string, go: () => void): () => void {
    const turn = { go };
    const own = this.#byOwner.get(owner) ?? new Set<Turn>();
    this.#byOwner.set(owner, own.add(turn));
    this.#size += 1;
    return () => {
      if (own.delete(turn)) this.#removed(owner, own);
    };
  }

  /** Takes the next one out; undefined when there is none. */
  next(): (() => void) | undefined {
    for (const [owner, own] of this.#byOwner) {
      for (const turn of own) {
        own.delete(turn);
        // Behind the others now.
        this.#byOwner.delete(owner);
        this.#byOwner.set(owner, own);
        this.#removed(owner, own);
        return turn.go;
      }
    }
    return undefined;
  }

  /** About how many turns come before one more of this owner. */
  aheadOf(owner: string): number {
    const rounds = this.#byOwner.get(owner)?.size ?? 0;
    let ahead = rounds;
    for (const [other, { size }] of this.#byOwner) {
      if (other !== owner) ahead += Math.min(size, rounds + 1);
    }
    return ahead;
  }

  #removed(owner: string, own: Set<Turn>): void {
    this.#size -= 1;
    if (own.size === 0 && this.#byOwner.get(owner) === own) this.#byOwner.delete(owner);
  }
}
