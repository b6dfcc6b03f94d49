import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { Random } from '../../clock/random.ts';

/**
 * `closed`: calls go. `open`: none goes. `half-open`: one goes, and what becomes
 * of it decides.
 */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** Leave to make one call. Exactly one of its two ends has to be reported, once. */
export interface Permit {
  /** The upstream answered, even if it refused the call: it is alive. */
  responded(): void;
  /**
   * It did not respond, or what came was not a response.
   *
   * @param subject What the call was about, where the failure may lie in that
   * alone: such failures count once for each subject.
   */
  failed(subject?: string): void;
}

export interface BreakerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Longest time it stays open before it looks again. */
  readonly openMsMax: number;
  /**
   * Asks whether the upstream is alive, at no cost. Where there is one, no call
   * is risked before it says so. It must end by itself.
   */
  readonly probe?: (() => Promise<boolean>) | undefined;
  readonly changed?: ((state: BreakerState) => void) | undefined;
}

/** Failures in a row that open it. */
const failuresMax = 5;
const openMsMin = 1_000;
const probeGapMs = 1_000;
/** How long a caller waits while another one's call has the only permit. */
const trialMs = 250;
const jitterRatio = 0.2;

/**
 * A circuit breaker: stops calls to an upstream that does not respond. Callers
 * are refused at once instead of at a deadline, and the upstream can recover.
 *
 * Each trial call that fails doubles the time until the next. A probe that fails
 * does not, because it costs nothing and finds out sooner that all is well.
 *
 * Failures that may lie in what the call was about, such as one broken
 * operation, open it only together with those of others: no caller can close
 * the way of the others with one operation.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  #state: BreakerState = 'closed';
  #failures = 0;
  /** What the calls were about whose failure may lie in that alone. */
  readonly #subjects = new Set<string>();
  #openMs = openMsMin;
  /** In monotonic time. */
  #openUntilMs = 0;
  /** Grows with each change of state: the end of a call that began in an earlier one says nothing. */
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
    const leftMs = this.#state === 'open' ? this.#openUntilMs - clock.elapsedMs() : 0;
    return Math.max(leftMs, 0) + trialMs * (1 + random.fraction());
  }

  /** A permit for one call, or none. */
  acquire(): Permit | undefined {
    if (this.#state === 'closed') return this.#permit();
    if (this.#state === 'open' || this.#hasTrial) return undefined;
    this.#hasTrial = true;
    return this.#trialPermit();
  }

  /** Stops probing, for good. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  #permit(): Permit {
    const epoch = this.#epoch;
    return {
      responded: () => {
        if (epoch === this.#epoch) this.#forgetFailures();
      },
      failed: (subject) => {
        if (epoch === this.#epoch) this.#countFailure(subject);
      },
    };
  }

  #trialPermit(): Permit {
    return {
      responded: () => this.#enterState('closed'),
      failed: (subject) => {
        // Its subject may be the one that fails, and all others wait for the outcome of this call.
        if (subject !== undefined) {
          this.#enterState('closed');
          this.#countFailure(subject);
          return;
        }
        this.#openMs = Math.min(this.#openMs * 2, this.#options.openMsMax);
        this.#open();
      },
    };
  }

  #countFailure(subject: string | undefined): void {
    if (subject !== undefined) {
      if (this.#subjects.has(subject)) return;
      this.#subjects.add(subject);
    }
    this.#failures += 1;
    if (this.#failures < failuresMax) return;
    this.#openMs = openMsMin;
    this.#open();
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#subjects.clear();
  }

  #open(): void {
    this.#enterState('open');
    this.#lookAfter(this.#openMs);
  }

  #enterState(state: BreakerState): void {
    this.#epoch += 1;
    this.#forgetFailures();
    this.#hasTrial = false;
    if (state === this.#state) return;
    this.#state = state;
    this.#options.changed?.(state);
  }

  #lookAfter(delayMs: number): void {
    const { clock, random } = this.#options;
    const jitteredMs = delayMs * (1 + jitterRatio * (2 * random.fraction() - 1));
    this.#openUntilMs = clock.elapsedMs() + jitteredMs;
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
