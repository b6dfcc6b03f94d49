/** A queued operation, as the queue needs to know it. */
export interface QueuedOperation {
  readonly id: string;
  readonly owner: string;
  /** Not to be taken before; by the clock of who takes it. */
  readonly dueAtMs: number;
  /** Not to be taken after; by the same clock. */
  readonly deadlineAtMs: number;
}

/**
 * Queued operations, taken in turn from each owner, and of one owner in the
 * order in which they are due: a caller with a thousand of them delays the next
 * caller's first by one.
 */
export class FairQueue {
  /** Sorted by due time. Owners stand in the order of their turns. */
  readonly #byOwner = new Map<string, QueuedOperation[]>();
  readonly #ids = new Set<string>();

  get size(): number {
    return this.#ids.size;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Adds an operation; harmless when it is there. */
  add(operation: QueuedOperation): void {
    if (this.#ids.has(operation.id)) return;
    this.#ids.add(operation.id);
    const own = this.#byOwner.get(operation.owner) ?? [];
    this.#byOwner.set(operation.owner, own);
    // Mostly the last one, so looked for from the end.
    let place = own.length;
    while (place > 0 && own[place - 1]!.dueAtMs > operation.dueAtMs) place -= 1;
    own.splice(place, 0, operation);
  }

  /** Takes out the operation whose turn it is; undefined when none is due. */
  take(nowMs: number): QueuedOperation | undefined {
    for (const [owner, own] of this.#byOwner) {
      const [first] = own;
      if (first === undefined || first.dueAtMs > nowMs) continue;
      own.shift();
      this.#ids.delete(first.id);
      // To the end of the line.
      this.#byOwner.delete(owner);
      if (own.length > 0) this.#byOwner.set(owner, own);
      return first;
    }
    return undefined;
  }

  /** Takes out the operations whose deadline is over. */
  takeOverdue(nowMs: number): readonly QueuedOperation[] {
    const overdue = [...this.#byOwner.values()].flatMap((own) =>
      own.filter(({ deadlineAtMs }) => deadlineAtMs < nowMs),
    );
    for (const { id } of overdue) this.remove(id);
    return overdue;
  }

  /** @returns Whether it was there. */
  remove(id: string): boolean {
    if (!this.#ids.delete(id)) return false;
    for (const [owner, own] of this.#byOwner) {
      const place = own.findIndex((operation) => operation.id === id);
      if (place < 0) continue;
      own.splice(place, 1);
      if (own.length === 0) this.#byOwner.delete(owner);
      return true;
    }
    return false;
  }

  /**
   * How many operations are taken before this one, plus one, if no other comes.
   *
   * @returns Undefined for one that is not here, or not due yet: what is due by
   * then can't be known.
   */
  positionOf(id: string, nowMs: number): number | undefined {
    if (!this.#ids.has(id)) return undefined;
    const due = [...this.#byOwner.values()].map((own) =>
      own.filter(({ dueAtMs }) => dueAtMs <= nowMs),
    );
    const turn = due.findIndex((own) => own.some((operation) => operation.id === id));
    if (turn < 0) return undefined;
    const place = due[turn]!.findIndex((operation) => operation.id === id);
    return due.reduce(
      (sum, own, index) => sum + Math.min(own.length, index < turn ? place + 1 : place),
      1,
    );
  }

  /** When the next one is due; undefined when the queue is empty. */
  nextDueAtMs(): number | undefined {
    let next: number | undefined;
    for (const [first] of this.#byOwner.values()) {
      if (first !== undefined && (next === undefined || first.dueAtMs < next)) next = first.dueAtMs;
    }
    return next;
  }

  clear(): void {
    this.#byOwner.clear();
    this.#ids.clear();
  }
}
