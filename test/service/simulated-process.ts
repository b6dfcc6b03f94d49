import type { CancelTimer, Clock } from '../../src/clock/clock.ts';
import type { VirtualClock } from '../support/virtual-clock.ts';

/**
 * One life of a service's process in virtual time. After its end nothing that
 * it had begun goes on: its timers never fire, its promises never settle.
 */
export class SimulatedProcess {
  readonly #clock: VirtualClock;
  #isDead = false;
  #resume: (() => void)[] | undefined;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#resume !== undefined;
  }

  /** The clock as this process sees it. */
  readonly clock: Clock = {
    nowMs: () => this.#clock.nowMs(),
    elapsedMs: () => this.#clock.elapsedMs(),
    after: (delayMs, callback): CancelTimer =>
      this.#clock.after(delayMs, () => this.#whenRunning(callback)),
    nextTurn: (callback) => this.#clock.nextTurn(() => this.#whenRunning(callback)),
  };

  /** Ends as by `kill -9`. */
  kill(): void {
    this.#isDead = true;
    this.#resume = undefined;
  }

  /** Stops as by SIGSTOP, or as a machine that is suspended. */
  pause(): void {
    this.#resume ??= [];
  }

  resume(): void {
    const waiting = this.#resume ?? [];
    this.#resume = undefined;
    for (const callback of waiting) this.#whenRunning(callback);
  }

  /** The value, once this process runs; never when it is dead. */
  async live<Value>(value: Value): Promise<Value> {
    // A turn of its own, so that a kill can fall between any two steps.
    await new Promise<void>((resolve) => this.clock.after(1, resolve));
    if (this.#isDead) return new Promise<never>(() => undefined);
    return value;
  }

  #whenRunning(callback: () => void): void {
    if (this.#isDead) return;
    if (this.#resume === undefined) callback();
    else this.#resume.push(callback);
  }
}
