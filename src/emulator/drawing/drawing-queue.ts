/** A piece of work in line. */
export interface QueuedDrawing {
  readonly image: Promise<Buffer>;
  /** Somebody waits for it now: it goes before those that nobody waits for. */
  hurry(): void;
}

interface Waiting {
  isUrgent: boolean;
  begin(): void;
  drop(): void;
}

/** Runs a few drawings at once and keeps the others in line. */
export class DrawingQueue {
  readonly #atOnceMax: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isClosed = false;
  readonly #closings: (() => void)[] = [];

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Drawings that have not begun. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  add(draw: () => Promise<Buffer>): QueuedDrawing {
    let waiting: Waiting | undefined;
    const begun = new Promise<void>((resolve, reject) => {
      waiting = {
        isUrgent: false,
        begin: resolve,
        drop: () => reject(new Error('the drawing was given up')),
      };
      this.#waiting.push(waiting);
    });
    const image = begun.then(draw).finally(() => {
      this.#running -= 1;
      this.#next();
      if (this.#running === 0) for (const closed of this.#closings.splice(0)) closed();
    });
    this.#next();
    return {
      image,
      hurry: () => {
        if (waiting !== undefined) waiting.isUrgent = true;
      },
    };
  }

  /** Gives up what has not begun, and waits for the rest. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#next();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#closings.push(resolve));
  }

  #next(): void {
    while (this.#waiting.length > 0 && (this.#isClosed || this.#running < this.#atOnceMax)) {
      const urgent = this.#waiting.findIndex(({ isUrgent }) => isUrgent);
      const [next] = this.#waiting.splice(Math.max(0, urgent), 1);
      this.#running += 1;
      if (this.#isClosed) next?.drop();
      else next?.begin();
    }
  }
}
