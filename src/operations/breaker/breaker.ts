import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { Random } from '../../clock/random.ts';

/**
 * `closed`: calls go. `open`: none goes. `half-open`: one goes, and what becomes
 * of it decides.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** Leave to make one call. Exactly one of its two ends has to be told, once. */
export interface Permit {
  /** The upstream answered, be it with a refusal: it is alive. */
  responded(): void;
  /** It did not answer, or what came was no answer. */
  failed(): void;
}

export interface BreakerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Longest time it stays open before it looks again. */
  readonly openMsMax: number;
  /**
   * Asks whether the upstream is alive, at no cost. Where there is one, no call
   * is risked before it says so; it must end by itself.
   */
  readonly probe?: (() => Promise<boolean>) | undefined;
  readonly changed?: ((state: BreakerState) => void) | undefined;
}

/** Failures in a row that open it. */
const failuresMax = 5;
const openMsMin = 1_000;
const probeGapMs = 1_000;
/** While somebody else's call is half-open; it ends within its own deadline. */
const trialMs = 250;
const jitterRatio = 0.2;

/**
 * Stops calls to an upstream that does not answer: whoever comes is refused at
 * once instead of waiting for a deadline, and the upstream is left in peace.
 *
 * Each trial call that fails doubles the time until the next; a probe that fails
 * does not, because it costs nothing and finds out sooner that all is well.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = 'closed';
  #failures = 0;
  #openMs = openMsMin;
  #openUntilMs = 0;
  /** Changes with the state: what a call of an earlier one tells is old news. */
  #epoch = 0;
  #hasTrial = false;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Milliseconds until a call may be worth another try, spread over callers; 0 when one may go now. */
  openForMs(): number {
    if (this.#state === 'closed') return 0;
    if (this.#state === 'half-open' && !this.#hasTrial) return 0;
    const { clock, random } = this.#options;
    const leftMs = this.#state === 'open' ? this.#openUntilMs - clock.nowMs() : 0;
    return Math.max(leftMs, 0) + trialMs * (1 + random.fraction());
  }

  /** Leave for one call, or none. */
  acquire(): Permit | undefined {
    const epoch = this.#epoch;
    if (this.#state === 'closed') {
      return {
        responded: () => {
          if (epoch === this.#epoch) this.#failures = 0;
        },
        failed: () => {
          if (epoch === this.#epoch) this.#countFailure();
        },
      };
    }
    if (this.#state === 'open' || this.#hasTrial) return undefined;
    this.#hasTrial = true;
    return {
      responded: () => this.#enterState('closed'),
      failed: () => {
        this.#openMs = Math.min(this.#openMs * 2, this.#options.openMsMax);
        this.#open();
      },
    };
  }

  /** Probes no more. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #countFailure(): void {
    this.#failures += 1;
    if (this.#failures < failuresMax) return;
    this.#openMs = openMsMin;
    this.#open();
  }

  #open(): void {
    this.#enterState('open');
    this.#lookAfter(this.#openMs);
  }

  #enterState(state: BreakerState): void {
    this.#epoch += 1;
    this.#failures = 0;
    this.#hasTrial = false;
    if (state === this.#state) return;
    this.#state = state;
    this.#options.changed?.(state);
  }

  #lookAfter(delayMs: number): void {
    const { clock, random } = this.#options;
    const jitteredMs = delayMs * (1 + jitterRatio * (2 * random.fraction() - 1));
    this.#openUntilMs = clock.nowMs() + jitteredMs;
    this.#cancelTimer = clock.after(jitteredMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { probe } = this.#options;
    const isAlive = probe === undefined || (await probe());
    if (this.#isClosed) return;
    if (isAlive) this.#enterState('half-open');
    else this.#lookAfter(probeGapMs);
  }
}
