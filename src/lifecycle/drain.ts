import type { Clock } from '../clock/clock.ts';

/**
 * How a gateway takes its leave, in order:
 *
 * - `serving`: nothing has been said.
 * - `leaving`: not ready, and everything is served still: whoever sends it traffic needs time to notice.
 * - `finishing`: takes nothing new; what is in flight is answered, who waits is told what is known.
 * - `settling`: nobody is connected; a call that may be paid for goes on, so that its end is written down.
 * - `closing`: the parts are closed.
 * - `closed`
 */
export type DrainPhase = 'serving' | 'leaving' | 'finishing' | 'settling' | 'closing' | 'closed';

/** Moments by which phases end at the latest, in milliseconds from the beginning; and a pause. */
export interface DrainLimits {
  readonly leavingMs: number;
  readonly finishingMs: number;
  readonly settlingMs: number;
  readonly closingMs: number;
  /**
   * How long a connection without a request is kept for the next one, which may
   * be on its way: a client that was never told to let go uses it again.
   */
  readonly idleMs: number;
}

/** After the last connection: for calls that may be paid for, and then for closing the parts. */
const settlingMs = 3_000;
const closingMs = 2_000;
/**
 * Clients that go on with a connection do so within it. As long as the time to
 * notice: on a machine that is out of breath a second is no time.
 */
const idleMsMax = 5_000;

/** Of a gateway that others send traffic to until they notice that it leaves. */
export function patientLimits(limits: {
  readonly delayMs: number;
  /** When connections are broken off. */
  readonly cutAfterMs: number;
}): DrainLimits {
  const { delayMs: leavingMs, cutAfterMs: finishingMs } = limits;
  const settledMs = finishingMs + settlingMs;
  return {
    leavingMs,
    finishingMs,
    settlingMs: settledMs,
    closingMs: settledMs + closingMs,
    idleMs: Math.min(leavingMs, idleMsMax),
  };
}

/** As fast as what is in flight allows: nobody has to notice first. */
export function promptLimits(cutAfterMs: number): DrainLimits {
  return { ...patientLimits({ delayMs: 0, cutAfterMs }), idleMs: 0 };
}

/** What the gateway does in each phase. */
export interface DrainParts {
  /** Tells that it leaves: unready, and connections are not to be used again. */
  leave(): void;
  /** Takes no connection and no create any more, and tells everybody who waits. */
  stopTaking(): Promise<void>;
  /** Lets go of connections that were idle for so long. @returns How many are left. */
  sweep(idleMs: number): number;
  /** Breaks the connections off that are left; resolves when no create is under way. */
  settle(): Promise<void>;
  /** Closes every part, top down. What is under way still is ended. */
  close(): Promise<void>;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly parts: DrainParts;
  /** Told what went wrong; the drain goes on. */
  readonly onFailure: (phase: DrainPhase, error: unknown) => void;
}

const sweepEveryMs = 100;

type TimedPhase = Exclude<DrainPhase, 'serving' | 'closed'>;

const phases: readonly TimedPhase[] = ['leaving', 'finishing', 'settling', 'closing'];

/**
 * The end of a gateway, in which nothing that was accepted gets lost. A phase
 * ends when its work is done, or at its limit, so nobody who is silent, stalled
 * or slow can hold up the whole.
 */
export class Drain {
  readonly #options: DrainOptions;
  readonly #limits: Readonly<Record<TimedPhase, Limit>>;
  readonly #work: Readonly<Record<TimedPhase, () => Promise<void>>>;
  #phase: DrainPhase = 'serving';
  #idleMs = Infinity;
  #wake: () => void = () => undefined;
  #ended: Promise<boolean> | undefined;

  constructor(options: DrainOptions) {
    this.#options = options;
    const { parts } = options;
    const limit = () => new Limit();
    this.#limits = { leaving: limit(), finishing: limit(), settling: limit(), closing: limit() };
    this.#work = {
      leaving: async () => {
        parts.leave();
        await this.#limits.leaving.reached;
      },
      finishing: () => this.#finish(),
      settling: () => parts.settle(),
      closing: () => parts.close(),
    };
  }

  get phase(): DrainPhase {
    return this.#phase;
  }

  /**
   * Begins it, or hurries the one that has begun: of two limits the earlier one counts.
   *
   * @returns Whether every part was closed in the end, and in time.
   */
  begin(limits: DrainLimits): Promise<boolean> {
    const { clock } = this.#options;
    for (const phase of phases) this.#limits[phase].reachAfter(limits[`${phase}Ms`], clock);
    this.#idleMs = Math.min(this.#idleMs, limits.idleMs);
    this.#wake();
    this.#ended ??= this.#run();
    return this.#ended;
  }

  /** To be called when the last connection is gone: the next sweep need not wait. */
  emptied(): void {
    this.#wake();
  }

  async #run(): Promise<boolean> {
    let isDone = false;
    for (const phase of phases) {
      this.#phase = phase;
      const limit = this.#limits[phase];
      const work = this.#work[phase]().then(
        () => true,
        (error: unknown) => {
          this.#options.onFailure(phase, error);
          return false;
        },
      );
      isDone = await Promise.race([work, limit.reached.then(() => false)]);
      limit.cancel();
      this.#wake();
    }
    this.#phase = 'closed';
    return isDone;
  }

  async #finish(): Promise<void> {
    const { parts } = this.#options;
    await parts.stopTaking();
    // What has arrived is read in the turn before each sweep: a request must not meet a closed connection here.
    await this.#nextTurn();
    while (this.#phase === 'finishing' && parts.sweep(this.#idleMs) > 0) {
      await this.#pause();
      await this.#nextTurn();
    }
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.nextTurn(resolve));
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancelTimer = this.#options.clock.after(sweepEveryMs, resolve);
      this.#wake = () => {
        cancelTimer();
        resolve();
      };
    });
  }
}

/** A moment that can be moved forward, not back. */
class Limit {
  readonly reached: Promise<void>;
  readonly #timers: (() => void)[] = [];
  #reach: () => void = () => undefined;
  #isOver = false;

  constructor() {
    this.reached = new Promise((resolve) => (this.#reach = resolve));
  }

  reachAfter(delayMs: number, clock: Clock): void {
    if (this.#isOver) return;
    if (delayMs <= 0) this.#reach();
    else this.#timers.push(clock.after(delayMs, this.#reach));
  }

  cancel(): void {
    this.#isOver = true;
    for (const cancelTimer of this.#timers.splice(0)) cancelTimer();
  }
}
