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
  readonly #byId = new Map<string, QueuedOperation>();

  get size(): number {
    return this.#byId.size;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  /** Adds an operation; harmless when it is there. */
  add(operation: QueuedOperation): void {
    if (this.#byId.has(operation.id)) return;
    this.#byId.set(operation.id, operation);
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
      this.#byId.delete(first.id);
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
    const operation = this.#byId.get(id);
    if (operation === undefined) return false;
    this.#byId.delete(id);
    const { owner } = operation;
    const own = this.#byOwner.get(owner) ?? [];
    own.splice(placeOf(operation, own), 1);
    if (own.length === 0) this.#byOwner.delete(owner);
    return true;
  }

  /**
   * How many operations are taken before this one, plus one, if no other comes.
   *
   * @returns Undefined for one that is not here, or not due yet: what is due by
   * then can't be known.
   */
  positionOf(id: string, nowMs: number): number | undefined {
    const operation = this.#byId.get(id);
    if (operation === undefined || operation.dueAtMs > nowMs) return undefined;
    const place = placeOf(operation, this.#byOwner.get(operation.owner) ?? []);
    let position = 1;
    let isBefore = true;
    for (const [owner, own] of this.#byOwner) {
      if (owner === operation.owner) isBefore = false;
      position += Math.min(dueCount(own, nowMs), isBefore ? place + 1 : place);
    }
    return position;
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
    this.#byId.clear();
  }
}

/** How many of them are due at that time: they are sorted by it. */
function dueCount(own: readonly QueuedOperation[], nowMs: number): number {
  let low = 0;
  let high = own.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (own[middle]!.dueAtMs <= nowMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of an operation that is among them. */
function placeOf(operation: QueuedOperation, own: readonly QueuedOperation[]): number {
  let place = dueCount(own, operation.dueAtMs) - 1;
  while (own[place]?.id !== operation.id) place -= 1;
  return place;
}
