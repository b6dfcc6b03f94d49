import { GatewayError } from '../../errors/gateway-error.ts';
import type { PollingHub } from './polling-hub.ts';
import type { Clock } from '../../clock/clock.ts';
import type { ReadQueue } from './read-queue.ts';
import type { ReadResult } from './operation-view.ts';
import type { TrackedOperation } from './tracked-operation.ts';

export interface OnDemandReadsOptions {
  readonly hub: PollingHub;
  readonly clock: Clock;
  readonly readQueue: ReadQueue;
  /** Milliseconds for which a read would only be refused; 0 when it may go. */
  readonly openForMs: () => number;
}

/** A read that would wait for longer is not begun: the response is made from what is known. */
const queuedMsMax = 2_000;

/** Reads that callers ask for, beside the polls of the hub: within the same rate, joined where one is under way. */
export class OnDemandReads {
  readonly #options: OnDemandReadsOptions;
  /** Reads that wait in the queue. A caller who wants the same one joins it and takes no turn. */
  readonly #waiting = new Map<TrackedOperation, Promise<ReadResult>>();

  constructor(options: OnDemandReadsOptions) {
    this.#options = options;
  }

  /** One read if it is due and the rate allows it; otherwise nothing changes. */
  async refresh(tracked: TrackedOperation): Promise<void> {
    if (tracked.isOver) return;
    const isDue = tracked.dueInMs(this.#options.clock.elapsedMs()) <= 0;
    if (tracked.reading !== undefined) await tracked.reading;
    else if (tracked.isUnseen) await this.#readInTurn(tracked);
    else if (isDue && this.#mayReadNow()) await this.#options.hub.read(tracked);
  }

  /** The same, but waits for its turn where the rate does not allow a read at once. */
  async refreshInTurn(tracked: TrackedOperation): Promise<void> {
    const isDue = tracked.dueInMs(this.#options.clock.elapsedMs()) <= 0;
    if (!tracked.isOver && (isDue || tracked.reading !== undefined)) {
      await this.#readInTurn(tracked);
    }
  }

  /** The image of a succeeded operation. @throws GatewayError when it can't be had. */
  async image(tracked: TrackedOperation): Promise<Uint8Array> {
    const { bytes, error } = await this.#readInTurn(tracked);
    if (bytes !== undefined) return bytes;
    throw (
      error ??
      tracked.expired ??
      new GatewayError('bad_upstream_result', 'the upstream sent no image this time')
    );
  }

  #mayReadNow(): boolean {
    const { readQueue, openForMs } = this.#options;
    return openForMs() === 0 && readQueue.tryTake();
  }

  #readInTurn(tracked: TrackedOperation): Promise<ReadResult> {
    const waiting = this.#waiting.get(tracked);
    if (waiting !== undefined) return waiting;
    const read = this.#readAtItsTurn(tracked).finally(() => this.#waiting.delete(tracked));
    this.#waiting.set(tracked, read);
    return read;
  }

  async #readAtItsTurn(tracked: TrackedOperation): Promise<ReadResult> {
    const { hub, readQueue, openForMs } = this.#options;
    // A read that will be refused here needs no turn in the queue.
    if (tracked.reading === undefined && openForMs() === 0 && !readQueue.tryTake()) {
      const turn = { isFirst: true, owner: tracked.owner };
      if (readQueue.waitMs(turn) > queuedMsMax) return { error: noReadsLeft() };
      await new Promise<void>((resolve) => readQueue.join(resolve, turn));
    }
    return hub.read(tracked);
  }
}

function noReadsLeft(): GatewayError {
  return new GatewayError(
    'overloaded',
    'more images are asked for than the upstream lets the gateway read for now',
    { retryAfterS: 5 },
  );
}
