import { GatewayError } from '../errors/gateway-error.ts';

/**
 * What is given up under pressure, in that order: new work first, a wait (its
 * caller is told at once what is known), then the dear form of an image, last
 * the bytes that were paid for.
 */
export type SheddableWork = 'create' | 'wait' | 'base64' | 'bytes';

/** How loaded the process is, as measured over a short while. */
export interface LoadSample {
  /** How late the event loop ran on average, in milliseconds. */
  readonly loopDelayMs: number;
  /** Of the bytes that answers with images may hold, 0 … 1. */
  readonly imageShare: number;
  /** Of the heap that the engine may use, 0 … 1. */
  readonly heapShare: number;
}

export interface LoadSheddingOptions {
  /** Average delay of the event loop that counts as full. */
  readonly loopDelayMsMax: number;
  /** Told of every request that was given up. */
  readonly shed?: ((work: SheddableWork) => void) | undefined;
}

const shedFrom: Readonly<Record<SheddableWork, number>> = {
  create: 0.8,
  wait: 0.86,
  base64: 0.92,
  bytes: 0.98,
};
const notReadyFrom = 0.95;
/** Where answers hold all they may, further images wait in a line of their own rather than being refused here. */
const imageWeight = 0.94;
/** Weight of the latest sample: one that is off does not decide alone. */
const newest = 0.3;
/** One long stall must not shed for seconds. */
const sampleMax = 3;

/** Decides which work is refused while the process is short of time or memory. */
export class LoadShedding {
  readonly #options: LoadSheddingOptions;
  #loop = 0;
  #memory = 0;

  constructor(options: LoadSheddingOptions) {
    this.#options = options;
  }

  /** To be told every 100 ms. */
  sample({ loopDelayMs, imageShare, heapShare }: LoadSample): void {
    const loop = Math.min(sampleMax, loopDelayMs / this.#options.loopDelayMsMax);
    this.#loop += newest * (loop - this.#loop);
    const memory = Math.max(imageShare * imageWeight, heapShare);
    this.#memory += newest * (memory - this.#memory);
  }

  /** 0 … 1 and above: how close the process is to what it can take. */
  get pressure(): number {
    return Math.max(this.#loop, this.#memory);
  }

  /** Whether further traffic had better go elsewhere. */
  get isSevere(): boolean {
    return this.pressure >= notReadyFrom;
  }

  /** Whether this work is given up now; if so, it is counted. */
  sheds(work: SheddableWork): boolean {
    if (this.pressure < shedFrom[work]) return false;
    this.#options.shed?.(work);
    return true;
  }

  /** @throws GatewayError `overloaded` when this work is given up now. */
  admit(work: SheddableWork): void {
    if (!this.sheds(work)) return;
    throw new GatewayError('overloaded', 'the gateway is busy: try again in a moment', {
      retryAfterS: 1,
      ...(work === 'create' && { outcome: 'not_started' }),
    });
  }
}
