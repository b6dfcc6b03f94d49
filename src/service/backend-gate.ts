import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { Renderer } from '../renderers/renderer.ts';
import { failureOf } from './attempt-end.ts';

type Trouble = 'unreachable' | 'busy' | 'quota' | 'credential';
/** Why nothing is asked of a backend for now: its trouble, or an operator's will. */
export type ShutCause = Trouble | 'paused';

export interface BackendGateOptions {
  readonly renderer: Pick<Renderer, 'name' | 'probe'>;
  readonly clock: Clock;
  /** Whether an operator has paused it. */
  readonly isPaused: () => boolean;
  /** It opened, or shut; undefined: open. */
  readonly changed: (cause: ShutCause | undefined) => void;
}

interface Shut {
  readonly cause: Trouble;
  readonly untilMs: number;
  /** Whether it opens only when the backend answers a probe. */
  readonly isProbed: boolean;
}

const firstBackoffMs: Readonly<Record<Trouble, number>> = {
  unreachable: 1_000,
  busy: 5_000,
  quota: 60_000,
  credential: 30_000,
};
const backoffMsMax: Readonly<Record<Trouble, number>> = {
  unreachable: 60_000,
  busy: 5_000,
  quota: 600_000,
  credential: 300_000,
};
const retryAfterMsMin = 1_000;
const retryAfterMsMax = 600_000;
const credentialFailuresMax = 5;
const probeMsMax = 30_000;
/** An operator's pause may end at any time. */
const pauseGuessMs = 60_000;

/**
 * Shuts a backend off while asking it is pointless: each operation that is sent
 * to it would only end or come back. What is shut is the backend, not the
 * operation: the next one waits too.
 */
export class BackendGate {
  readonly #options: BackendGateOptions;
  #shut: Shut | undefined;
  /** Failures of one kind in a row. */
  #inRow: { readonly cause: Trouble; readonly count: number } | undefined;
  #cancelTimer: CancelTimer | undefined;
  #isProbing = false;
  #isClosed = false;
  #wasPaused = false;

  constructor(options: BackendGateOptions) {
    this.#options = options;
  }

  /** Undefined while it is open. */
  get shutCause(): ShutCause | undefined {
    return this.#options.isPaused() ? 'paused' : this.#shut?.cause;
  }

  /** Milliseconds after which it may open; 0 while it is open. */
  get opensInMs(): number {
    if (this.#options.isPaused()) return pauseGuessMs;
    return this.#shut === undefined
      ? 0
      : Math.max(0, this.#shut.untilMs - this.#options.clock.elapsedMs());
  }

  /** An attempt brought an image, or a failure that is about its request alone. */
  answered(): void {
    this.#inRow = undefined;
  }

  /** An attempt ended without an image. */
  failed(error: unknown): void {
    const { failure, options } = failureOf(error);
    switch (failure) {
      case 'not_sent':
        return this.#shutFor('unreachable', this.#backoffMs('unreachable'), true);
      case 'busy': {
        const { retryAfterMs = firstBackoffMs.busy } = options;
        return this.#shutFor('busy', withinBounds(retryAfterMs), false);
      }
      case 'quota': {
        const { retryAfterMs } = options;
        const ms = this.#backoffMs('quota');
        return this.#shutFor('quota', retryAfterMs ? withinBounds(retryAfterMs) : ms, false);
      }
      case 'credential':
        return this.#credentialRefused();
      default:
        return this.answered();
    }
  }

  /** Tells of a pause that began or ended; an operator does that from another process. */
  notePause(): void {
    const isPaused = this.#options.isPaused();
    if (isPaused === this.#wasPaused) return;
    this.#wasPaused = isPaused;
    this.#options.changed(this.shutCause);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }

  /** One refused credential may be about one model; it is about all when the probe says so, or many do. */
  #credentialRefused(): void {
    const count = this.#count('credential');
    if (count >= credentialFailuresMax) {
      this.#shutFor('credential', firstBackoffMs.credential, false);
    } else {
      void this.#probe();
    }
  }

  /** Milliseconds, doubled with each failure in a row; those of one moment count once. */
  #backoffMs(cause: Trouble): number {
    const count = this.#shut?.cause === cause ? (this.#inRow?.count ?? 1) : this.#count(cause);
    return Math.min(firstBackoffMs[cause] * 2 ** (count - 1), backoffMsMax[cause]);
  }

  #count(cause: Trouble): number {
    const count = this.#inRow?.cause === cause ? this.#inRow.count + 1 : 1;
    this.#inRow = { cause, count };
    return count;
  }

  #shutFor(cause: Trouble, ms: number, isProbed: boolean): void {
    const { clock, changed } = this.#options;
    const untilMs = clock.elapsedMs() + ms;
    // What is shut for longer stays so.
    if (this.#isClosed || (this.#shut !== undefined && this.#shut.untilMs >= untilMs)) return;
    const isNew = this.#shut?.cause !== cause;
    this.#shut = { cause, untilMs, isProbed };
    this.#cancelTimer?.();
    this.#cancelTimer = clock.after(ms, () => this.#timeIsOver());
    if (isNew) changed(cause);
  }

  #timeIsOver(): void {
    if (this.#shut?.isProbed === true) void this.#probe();
    else this.#open();
  }

  #open(): void {
    if (this.#shut === undefined || this.#isClosed) return;
    this.#shut = undefined;
    this.#cancelTimer?.();
    this.#options.changed(this.shutCause);
  }

  /** Asks at no cost. Never rejects. */
  async #probe(): Promise<void> {
    if (this.#isProbing || this.#isClosed) return;
    this.#isProbing = true;
    const failure = await this.#probed();
    this.#isProbing = false;
    if (failure === 'not_sent') this.#shutAgain('unreachable');
    else if (failure === 'credential') this.#shutAgain('credential');
    else if (this.#shut?.isProbed === true) this.#open();
  }

  #shutAgain(cause: Trouble): void {
    const count = this.#count(cause);
    const ms = Math.min(firstBackoffMs[cause] * 2 ** (count - 1), backoffMsMax[cause]);
    this.#shutFor(cause, ms, true);
  }

  async #probed() {
    const { renderer, clock } = this.#options;
    let cancelTimer: CancelTimer = () => undefined;
    const silence = new Promise<'not_sent'>((resolve) => {
      cancelTimer = clock.after(probeMsMax, () => resolve('not_sent'));
    });
    const probe = renderer.probe().then(
      () => undefined,
      (error: unknown) => failureOf(error).failure,
    );
    const failure = await Promise.race([probe, silence]);
    cancelTimer();
    return failure;
  }
}

function withinBounds(ms: number): number {
  return Math.min(Math.max(ms, retryAfterMsMin), retryAfterMsMax);
}
