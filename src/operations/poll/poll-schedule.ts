import type { Random } from '../../clock/random.ts';

const samplesMax = 256;
const samplesMin = 8;
const firstPollMs = 1_000;
const gapMsMin = 150;
const vendorGapMsMax = 1_500;
const jitterRatio = 0.3;
const lateGapMsMax = 30_000;
/** Short, because the breaker already spares an upstream that fails for all callers: they learn soon that it works again. */
const errorGapMsMax = 3_500;
/** Two of these, one after the other, and their reads take less than three seconds. */
const badResultGapMs = 500;
const askedAtQuantile = 0.25;
const earliestQuantile = 0.05;

/** How old an operation is. */
export interface OperationAge {
  readonly ms: number;
  readonly followedMs: number;
}

/**
 * The moments at which the upstream is asked about an operation.
 *
 * A read costs a part of a small quota, and a late one costs the caller's time.
 * The schedule therefore learns how long operations take and asks when the
 * state is likely to have changed: each poll stands where 25 % of those still
 * running at this age have finished, but once the first of them may be done,
 * never more than 1.5 s ± 30 % after the one before. An operation older than
 * all known ones is polled at intervals of a tenth of its age.
 */
export class PollSchedule {
  readonly #random: Random;
  readonly #intervalMs: number | undefined;
  readonly #gapMsMax: number | undefined;
  /** The last durations in order of arrival, which is the order of forgetting. */
  readonly #recent: number[] = [];
  /** The same, sorted. */
  readonly #sorted: number[] = [];
  #next = 0;

  /**
   * @param options.intervalMs Nothing is learned: every gap is that long.
   * @param options.gapMsMax No operation that may be done is polled more rarely, whatever its age.
   */
  constructor(options: {
    readonly random: Random;
    readonly intervalMs?: number | undefined;
    readonly gapMsMax?: number | undefined;
  }) {
    this.#random = options.random;
    this.#intervalMs = options.intervalMs;
    this.#gapMsMax = options.gapMsMax;
  }

  /** Learns how long an operation took. */
  record(durationMs: number): void {
    const forgotten = this.#recent[this.#next];
    if (forgotten !== undefined) this.#sorted.splice(this.#firstAbove(forgotten) - 1, 1);
    this.#recent[this.#next] = durationMs;
    this.#next = (this.#next + 1) % samplesMax;
    this.#sorted.splice(this.#firstAbove(durationMs), 0, durationMs);
  }

  /** The longest of the last operations; undefined while none is known. */
  get longestMs(): number | undefined {
    return this.#sorted.at(-1);
  }

  /**
   * Milliseconds from now to the next poll of an operation that was running.
   *
   * @param age.ms Its age; Infinity when it is not known.
   * @param age.followedMs The part of it in which this process followed the
   * operation. Of one that was found by its id the age is only as right as two
   * clocks are, so it is not left alone for long on that ground.
   */
  delayMs({ ms: ageMs, followedMs }: OperationAge): number {
    if (this.#intervalMs !== undefined) return this.#intervalMs;
    const known = this.#sorted.length;
    const lateGapMs = () => this.#lateGapMs(Math.min(ageMs, followedMs));
    if (known < samplesMin) {
      return ageMs < firstPollMs
        ? Math.min(firstPollMs - ageMs, this.#gapMsMax ?? Infinity)
        : lateGapMs();
    }
    const survived = this.#firstAbove(ageMs);
    if (survived === known) return lateGapMs();
    const likelyMs = this.#sample(survived, askedAtQuantile);
    const earliestMs = this.#sample(survived, earliestQuantile);
    const latestMs = Math.max(ageMs, earliestMs) + this.#gapMs(vendorGapMsMax);
    return Math.max(gapMsMin, Math.min(likelyMs, latestMs) - ageMs);
  }

  /** Milliseconds to the next poll after `failures` polls in a row brought nothing. */
  delayAfterFailureMs(failures: number): number {
    const baseMs = this.#intervalMs ?? vendorGapMsMax;
    return this.#jittered(Math.min(errorGapMsMax, baseMs * 2 ** Math.min(failures - 1, 10)));
  }

  /** Milliseconds until a result that was no image is read again, after so many of them in a row. */
  delayAfterBadResultMs(badResults: number): number {
    return Math.min(this.#intervalMs ?? Infinity, this.#jittered(badResultGapMs * badResults));
  }

  #lateGapMs(ageMs: number): number {
    return this.#gapMs(Math.min(lateGapMsMax, Math.max(vendorGapMsMax, ageMs / 10)));
  }

  /** A gap of about that length, and none above the greatest allowed one. */
  #gapMs(ms: number): number {
    return this.#jittered(Math.min(ms, (this.#gapMsMax ?? Infinity) / (1 + jitterRatio)));
  }

  #jittered(ms: number): number {
    return ms * (1 + jitterRatio * (2 * this.#random.fraction() - 1));
  }

  /** The quantile of the samples from index `from` on. */
  #sample(from: number, quantile: number): number {
    const index = from + Math.floor((this.#sorted.length - from) * quantile);
    return this.#sorted[index] ?? 0;
  }

  /** Index of the first sample greater than `ms`. */
  #firstAbove(ms: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? 0) > ms) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
