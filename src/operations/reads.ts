import { GatewayError } from '../errors/gateway-error.ts';
import type { PollingHub } from './polling-hub.ts';
import type { Clock } from './ports.ts';
import type { ReadBudget } from './read-budget.ts';
import { isSettled, type ReadResult, type TrackedOperation } from './tracked-operation.ts';

export interface ReadsOptions {
  readonly hub: PollingHub;
  readonly clock: Clock;
  readonly budget: ReadBudget;
  /** Milliseconds for which a read would only be refused; 0 when it may go. */
  readonly heldBackMs: () => number;
}

/** Longest time somebody's turn may be away. */
const queuedMsMax = 10_000;

/** Reads that callers ask for, beside the polls of the hub: within the same budget, joined where one is under way. */
export class Reads {
  readonly #options: ReadsOptions;

  constructor(options: ReadsOptions) {
    this.#options = options;
  }

  /**
   * One read if it is due and the budget allows; what was known stays otherwise.
   *
   * @throws GatewayError `overloaded` when nothing is known and its turn would come too late.
   */
  async refresh(tracked: TrackedOperation): Promise<void> {
    if (isSettled(tracked)) return;
    const nowMs = this.#options.clock.nowMs();
    if (tracked.reading !== undefined) {
      await tracked.reading;
    } else if (!tracked.known) {
      await this.#readInTurn(tracked);
    } else if (nowMs >= tracked.nextPollAtMs && this.#mayReadNow(nowMs)) {
      await this.#options.hub.read(tracked);
    }
  }

  /** The picture of a succeeded operation. @throws GatewayError when it can't be had. */
  async picture(tracked: TrackedOperation): Promise<Uint8Array> {
    const { bytes, error } = await this.#readInTurn(tracked);
    if (bytes !== undefined) return bytes;
    throw (
      error ??
      tracked.expired ??
      new GatewayError('bad_upstream_result', 'the upstream sent no picture this time')
    );
  }

  #mayReadNow(nowMs: number): boolean {
    const { budget, heldBackMs } = this.#options;
    return heldBackMs() === 0 && budget.tryTake(nowMs);
  }

  async #readInTurn(tracked: TrackedOperation): Promise<ReadResult> {
    const { hub, clock, budget, heldBackMs } = this.#options;
    // A read that will be refused here needs no place in the line.
    if (tracked.reading === undefined && heldBackMs() === 0) {
      const queuedMs = budget.reserveMs(clock.nowMs(), queuedMsMax);
      if (queuedMs === undefined) throw noReadsLeft();
      if (queuedMs > 0) await new Promise<void>((resolve) => clock.after(queuedMs, resolve));
    }
    return hub.read(tracked);
  }
}

function noReadsLeft(): GatewayError {
  return new GatewayError(
    'overloaded',
    'more pictures are asked for than the upstream lets the gateway read for now',
    { retryAfterS: 5 },
  );
}
