/** A drawing that is queued, in progress or done. */
export interface QueuedDrawing {
  readonly image: Promise<Buffer>;
  /** Moves the drawing before those whose image is not read yet. */
  prioritize(): void;
}

interface Waiting {
  isUrgent: boolean;
  start(): void;
  drop(): void;
}

/** A queue that runs a few drawings at once. */
export class DrawingQueue {
  readonly #atOnceMax: number;
  readonly #waiting: Waiting[] = [];
  #running = 0;
  #isClosed = false;
  readonly #closings: (() => void)[] = [];

  constructor(atOnceMax: number) {
    this.#atOnceMax = atOnceMax;
  }

  /** Drawings that have not started. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  add(draw: () => Promise<Buffer>): QueuedDrawing {
    let waiting: Waiting | undefined;
    const started = new Promise<void>((resolve, reject) => {
      waiting = {
        isUrgent: false,
        start: resolve,
        drop: () => reject(new Error('the drawing was dropped')),
      };
      this.#waiting.push(waiting);
    });
    const image = started.then(draw).finally(() => {
      this.#running -= 1;
      this.#next();
      if (this.#running === 0) for (const closed of this.#closings.splice(0)) closed();
    });
    this.#next();
    return {
      image,
      prioritize: () => {
        if (waiting !== undefined) waiting.isUrgent = true;
      },
    };
  }

  /** Drops drawings that have not started, and waits for the others. */
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
      else next?.start();
    }
  }
}
