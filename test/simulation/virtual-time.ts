import type { CancelTimer } from '../../src/clock/clock.ts';

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** The time of a simulated world: it stands still while code runs, and jumps to the next event. */
export class VirtualTime {
  readonly #heap: Event[] = [];
  #order = 0;
  nowMs: number;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Runs something once, `delayMs` from now. */
  after(delayMs: number, run: () => void): CancelTimer {
    const event = { atMs: this.nowMs + Math.max(0, delayMs), order: (this.#order += 1), run };
    this.#push(event);
    return () => {
      (event as Event).run = undefined;
    };
  }

  /** Resolves at a later time. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /**
   * Goes from event to event until there is none, or the time is over.
   *
   * @throws Error when more happens than any sound history needs.
   */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await settled();
    for (let count = 0; count < eventsMax; count += 1) {
      const event = this.#heap[0];
      if (isOver()) return;
      if (event === undefined || event.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return;
      }
      this.#pop();
      if (event.run === undefined) continue;
      this.nowMs = Math.max(this.nowMs, event.atMs);
      event.run();
      await settled();
    }
    throw new Error(`more than ${eventsMax} events: something goes round in circles`);
  }

  #push(event: Event): void {
    let index = this.#heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, this.#heap[parent])) break;
      this.#heap[index] = this.#heap[parent] as Event;
      index = parent;
    }
    this.#heap[index] = event;
  }

  #pop(): void {
    const last = this.#heap.pop() as Event;
    const size = this.#heap.length;
    if (size === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (isBefore(this.#heap[child + 1], this.#heap[child])) child += 1;
      if (!isBefore(this.#heap[child], last)) break;
      this.#heap[index] = this.#heap[child] as Event;
      index = child;
    }
    this.#heap[index] = last;
  }
}

const eventsMax = 200_000;

function isBefore(a: Event | undefined, b: Event | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined;
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Every promise that can settle now has settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
