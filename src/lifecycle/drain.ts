import type { Clock } from '../clock/clock.ts';

/**
 * The phases in which a gateway ends, in this order:
 *
 * - `serving`: no drain has begun.
 * - `leaving`: not ready, but everything is still served: the load balancer needs time to notice.
 * - `finishing`: accepts nothing new; requests in flight are answered, waits return the present state.
 * - `settling`: no one is connected; a call that may be paid for goes on, so that its outcome is recorded.
 * - `closing`: the parts are closed.
 * - `closed`
 */
export type DrainPhase = 'serving' | 'leaving' | 'finishing' | 'settling' | 'closing' | 'closed';

/** The latest end of each phase, in milliseconds from the beginning of the drain. */
export interface DrainLimits {
  readonly leavingMs: number;
  readonly finishingMs: number;
  readonly settlingMs: number;
  readonly closingMs: number;
  /**
   * How long a connection without a request stays open: a client that has not
   * seen `Connection: close` may use it again, and its request may be on the way.
   */
  readonly idleMs: number;
}

/** Time after the last connection: for calls that may be paid for, then for closing the parts. */
const settlingMs = 3_000;
const closingMs = 2_000;
/**
 * Longest time that an idle connection is kept. Clients that reuse a connection
 * do so within it, even on a very busy machine.
 */
const idleMsMax = 5_000;

/** The limits behind a load balancer, which sends traffic until it notices that the gateway leaves. */
export function patientLimits(limits: {
  readonly delayMs: number;
  /** When the connections that are left are cut. */
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

/** The limits without a load balancer: as fast as the requests in flight allow. */
export function promptLimits(cutAfterMs: number): DrainLimits {
  return { ...patientLimits({ delayMs: 0, cutAfterMs }), idleMs: 0 };
}

/** The work of each phase. */
export interface DrainParts {
  /** Makes the gateway unready, and asks clients not to use their connections again. */
  leave(): void;
  /** Accepts no further connection and no create, and ends every wait with the present state. */
  stopTaking(): Promise<void>;
  /** Closes connections that were idle for `idleMs`. @returns How many are left. */
  sweep(idleMs: number): number;
  /** Cuts the connections that are left; resolves when no create is under way. */
  settle(): Promise<void>;
  /** Closes every part, top down, and ends what is still under way. */
  close(): Promise<void>;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly parts: DrainParts;
  /** Called when the work of a phase fails; the drain goes on. */
  readonly onFailure: (phase: DrainPhase, error: unknown) => void;
}

const sweepEveryMs = 100;

type TimedPhase = Exclude<DrainPhase, 'serving' | 'closed'>;

const phases: readonly TimedPhase[] = ['leaving', 'finishing', 'settling', 'closing'];

/**
 * The orderly end of a gateway, in which nothing that was accepted is lost. A
 * phase ends when its work is done, or at its limit, so a client that is silent,
 * stalled or slow cannot hold it up.
 */
export class Drain {
  readonly #options: DrainOptions;
  readonly #limits: Readonly<Record<TimedPhase, Limit>>;
  readonly #work: Readonly<Record<TimedPhase, () => Promise<void>>>;
  #phase: DrainPhase = 'serving';
  #idleMs = Infinity;
  #closingAtMs = Infinity;
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

  /** Milliseconds until the last limit; Infinity before the drain has begun. */
  get leftMs(): number {
    return this.#closingAtMs - this.#options.clock.elapsedMs();
  }

  /**
   * Begins the drain, or hurries one that has begun: of two limits the earlier one counts.
   *
   * @returns Whether every part was closed in time.
   */
  begin(limits: DrainLimits): Promise<boolean> {
    const { clock } = this.#options;
    for (const phase of phases) this.#limits[phase].reachAfter(limits[`${phase}Ms`], clock);
    this.#idleMs = Math.min(this.#idleMs, limits.idleMs);
    this.#closingAtMs = Math.min(this.#closingAtMs, clock.elapsedMs() + limits.closingMs);
    this.#wake();
    this.#ended ??= this.#run();
    return this.#ended;
  }

  /** To be called when the last connection is gone: the next sweep then comes at once. */
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
    // A turn before each sweep, in which requests that have arrived are read: none may meet a closed connection.
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

/** A moment that can be moved earlier, never later. */
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
