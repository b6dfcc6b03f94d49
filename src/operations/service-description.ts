import { equals } from '@bufbuild/protobuf';
import type { CancelTimer, Clock } from '../clock/clock.ts';
import {
  DescribeResponseSchema,
  type DescribeResponse,
} from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';

export interface ServiceDescriptionOptions {
  /** Asks the service; costs nothing. */
  readonly describe: () => Promise<DescribeResponse>;
  readonly clock: Clock;
  /** Called when the service says something else than before. */
  readonly changed?: ((now: DescribeResponse) => void) | undefined;
  /** Called once when it does not respond, until it does again. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/** Between two asks, at least. */
const pauseMsMin = 1_000;
/** After the first failure; each further one doubles it. */
const firstRetryMs = 250;
const retryMsMax = 30_000;
/** While all is well: a service may be replaced by one with other models. */
const refreshMs = 30_000;

/**
 * What the service says of itself, as it was last heard: asked until it
 * responds, again from time to time, and soon after a sign that it has changed.
 * What was heard stays while it does not respond.
 */
export class ServiceDescription {
  readonly #options: ServiceDescriptionOptions;
  #current: DescribeResponse | undefined;
  #cancelTimer: CancelTimer | undefined;
  #asking: Promise<void> | undefined;
  #askedAtMs = -Infinity;
  #failures = 0;
  #isClosed = false;

  constructor(options: ServiceDescriptionOptions) {
    this.#options = options;
  }

  /** Undefined before the service was heard. */
  get current(): DescribeResponse | undefined {
    return this.#current;
  }

  /** Asks now, and goes on. Resolves when the first ask has ended, whatever it brought. */
  begin(): Promise<void> {
    return this.#isClosed ? Promise.resolve() : this.#ask();
  }

  /** To be called on a sign that the service is another one than before. */
  mayHaveChanged(): void {
    if (this.#asking !== undefined || this.#isClosed) return;
    const sinceMs = this.#options.clock.elapsedMs() - this.#askedAtMs;
    this.#askAfter(Math.max(0, pauseMsMin - sinceMs));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#asking;
  }

  #askAfter(delayMs: number): void {
    this.#cancelTimer?.();
    if (!this.#isClosed) {
      this.#cancelTimer = this.#options.clock.after(delayMs, () => void this.#ask());
    }
  }

  #ask(): Promise<void> {
    this.#asking ??= this.#askOnce().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #askOnce(): Promise<void> {
    const { describe, clock, failed } = this.#options;
    this.#askedAtMs = clock.elapsedMs();
    try {
      this.#heard(await describe());
      this.#failures = 0;
      this.#askAfter(refreshMs);
    } catch (error) {
      this.#failures += 1;
      if (this.#failures === 1 && !this.#isClosed) failed?.(error);
      this.#askAfter(Math.min(firstRetryMs * 2 ** (this.#failures - 1), retryMsMax));
    }
  }

  #heard(now: DescribeResponse): void {
    const before = this.#current;
    if (before !== undefined && equals(DescribeResponseSchema, before, now)) return;
    this.#current = now;
    this.#options.changed?.(now);
  }
}
