import { GatewayError } from '../errors/gateway-error.ts';

/**
 * The kinds of work that can be shed under pressure, in this order: new work
 * first, then waits (the present state is returned at once), then the expensive
 * form of an image, and last the bytes, which are paid for.
 */
export type SheddableWork = 'create' | 'wait' | 'base64' | 'bytes';

/** A short measurement of how loaded the process is. */
export interface LoadSample {
  /** How late the event loop ran on average, in milliseconds. */
  readonly loopDelayMs: number;
  /** Used part of the bytes that responses with images may hold, 0 … 1. */
  readonly imageShare: number;
  /** Used part of the heap that the engine may use, 0 … 1. */
  readonly heapShare: number;
}

export interface LoadSheddingOptions {
  /** Average delay of the event loop that counts as pressure 1. */
  readonly loopDelayMsMax: number;
  /** Called for every request that is shed. */
  readonly shed?: ((work: SheddableWork) => void) | undefined;
}

const shedFrom: Readonly<Record<SheddableWork, number>> = {
  create: 0.8,
  wait: 0.86,
  base64: 0.92,
  bytes: 0.98,
};
const notReadyFrom = 0.95;
/** Keeps a full image memory below the pressure of `bytes`: further images wait in the read queue instead of being shed. */
const imageWeight = 0.94;
/** Weight of the newest sample: a single outlier does not decide. */
const newestWeight = 0.3;
/** Largest value of a sample, so that one long stall does not shed for seconds. */
const sampleMax = 3;

/** The decision which work is refused while the process is short of time or memory. */
export class LoadShedding {
  readonly #options: LoadSheddingOptions;
  #loop = 0;
  #memory = 0;

  constructor(options: LoadSheddingOptions) {
    this.#options = options;
  }

  /** To be called every 100 ms. */
  sample({ loopDelayMs, imageShare, heapShare }: LoadSample): void {
    const loop = Math.min(sampleMax, loopDelayMs / this.#options.loopDelayMsMax);
    this.#loop += newestWeight * (loop - this.#loop);
    const memory = Math.max(imageShare * imageWeight, heapShare);
    this.#memory += newestWeight * (memory - this.#memory);
  }

  /** 0 … 1 and above: how close the process is to what it can take. */
  get pressure(): number {
    return Math.max(this.#loop, this.#memory);
  }

  /** Whether `/readyz` reports it, so that further traffic goes elsewhere. */
  get isSevere(): boolean {
    return this.pressure >= notReadyFrom;
  }

  /** Whether this work is shed now; if so, it is counted. */
  sheds(work: SheddableWork): boolean {
    if (this.pressure < shedFrom[work]) return false;
    this.#options.shed?.(work);
    return true;
  }

  /** @throws GatewayError `overloaded` when this work is shed now. */
  admit(work: SheddableWork): void {
    if (!this.sheds(work)) return;
    throw new GatewayError('overloaded', 'the gateway is busy: try again in a moment', {
      retryAfterS: 1,
      ...(work === 'create' && { outcome: 'not_started' }),
    });
  }
}
