import { GatewayError } from '../../errors/gateway-error.ts';
import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { ResultCache } from './result-cache.ts';

/** Gives room back; harmless when called again. */
export type Release = () => void;

export interface ImageMemoryOptions {
  readonly clock: Clock;
  /** Of all images together: kept, being read, being written. */
  readonly bytesMax: number;
  /** Makes room by forgetting images. */
  readonly cache: ResultCache;
}

export interface RoomOptions {
  /** Ends the wait early, as nobody wants it any more; asked for only when there is a wait. */
  readonly signal?: (() => AbortSignal) | undefined;
}

interface Seeker {
  readonly bytes: number;
  grant(): void;
}

/** The part that answers may hold, so that slow readers leave room for reads. */
const answerShare = 0.5;
const waitMsMax = 10_000;
const seekersMax = 1_000;

/**
 * Bounds the bytes of images in memory.
 *
 * A read takes the largest size that may come before it starts, and gives it
 * back once the image is in the cache or was dropped. An answer holds its
 * image until it is written or its socket closes, once for all answers with
 * the same image. Who finds no room waits in line, for a bounded time; the
 * cache gives way first.
 */
export class ImageMemory {
  readonly #options: ImageMemoryOptions;
  readonly #answerBytesMax: number;
  #readBytes = 0;
  #answerBytes = 0;
  readonly #answered = new Map<string, { count: number; readonly bytes: number }>();
  readonly #answerSeekers = new Set<Seeker>();
  readonly #readSeekers = new Set<Seeker>();

  constructor(options: ImageMemoryOptions) {
    this.#options = options;
    this.#answerBytesMax = options.bytesMax * answerShare;
  }

  /** Bytes that reads and answers hold; those of the cache alone can be had back at any time. */
  get bytesInUse(): number {
    return this.#readBytes + this.#answerBytes;
  }

  /**
   * Of what answers may hold, 0 … 1. What reads hold is no sign of pressure: most
   * of it is room for images that do not come, or come slowly from a slow upstream.
   */
  get answerShare(): number {
    return this.#answerBytes / this.#answerBytesMax;
  }

  /**
   * Room for one read of at most so many bytes.
   *
   * @throws GatewayError `overloaded` when there was none in time.
   */
  async roomToRead(bytes: number, options: RoomOptions = {}): Promise<Release> {
    const take = () => (this.#readBytes += bytes);
    await this.#room(this.#readSeekers, { bytes, take }, options);
    return this.#once(() => (this.#readBytes -= bytes));
  }

  /**
   * Room for an answer with an image; to be had before the image is.
   *
   * @param key Tells images apart: further answers with one that is held cost nothing.
   * @throws GatewayError `overloaded` when there was none in time.
   */
  async roomToAnswer(key: string, bytes: number, options: RoomOptions = {}): Promise<Release> {
    const held = this.#answered.get(key);
    if (held !== undefined) held.count += 1;
    else
      await this.#room(this.#answerSeekers, { bytes, take: () => this.#hold(key, bytes) }, options);
    return this.#once(() => this.#letGo(key));
  }

  #hold(key: string, bytes: number): void {
    const held = this.#answered.get(key);
    if (held !== undefined) {
      held.count += 1;
      return;
    }
    this.#answered.set(key, { count: 1, bytes });
    this.#answerBytes += bytes;
  }

  #letGo(key: string): void {
    const held = this.#answered.get(key);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count > 0) return;
    this.#answered.delete(key);
    this.#answerBytes -= held.bytes;
  }

  async #room(
    seekers: Set<Seeker>,
    { bytes, take }: { readonly bytes: number; readonly take: () => void },
    options: RoomOptions,
  ): Promise<void> {
    if (seekers.size === 0 && this.#makeRoom(seekers, bytes)) return take();
    const signal = options.signal?.();
    if (seekers.size >= seekersMax || signal?.aborted === true) throw noRoom();
    await new Promise<void>((resolve, reject) => {
      let cancelTimer: CancelTimer | undefined;
      const leave = () => {
        seekers.delete(seeker);
        cancelTimer?.();
        signal?.removeEventListener('abort', giveUp);
      };
      const giveUp = () => {
        leave();
        reject(noRoom());
        this.#grantNext();
      };
      const grant = () => {
        leave();
        take();
        resolve();
      };
      const seeker: Seeker = { bytes, grant };
      seekers.add(seeker);
      cancelTimer = this.#options.clock.after(waitMsMax, giveUp);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #once(release: () => void): Release {
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      release();
      this.#grantNext();
    };
  }

  /** Answers go first: their images are paid for. */
  #grantNext(): void {
    for (const seekers of [this.#answerSeekers, this.#readSeekers]) {
      for (const seeker of seekers) {
        if (!this.#makeRoom(seekers, seeker.bytes)) break;
        seeker.grant();
      }
    }
  }

  /** Whether so many bytes more are within bounds, once the cache has given way. */
  #makeRoom(seekers: Set<Seeker>, bytes: number): boolean {
    const { bytesMax, cache } = this.#options;
    if (seekers === this.#answerSeekers && !this.#fitsAnswers(bytes)) return false;
    if (this.bytesInUse > 0 && this.bytesInUse + bytes > bytesMax) return false;
    cache.shrinkTo(Math.max(0, bytesMax - this.bytesInUse - bytes));
    return true;
  }

  /** One always fits, be it larger than the whole share. */
  #fitsAnswers(bytes: number): boolean {
    return this.#answerBytes === 0 || this.#answerBytes + bytes <= this.#answerBytesMax;
  }
}

function noRoom(): GatewayError {
  return new GatewayError('overloaded', 'the gateway holds as many images as it can for now', {
    retryAfterS: 5,
  });
}
