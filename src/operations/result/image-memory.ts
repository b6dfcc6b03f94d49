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
  /** Ends the wait early, because the caller has gone; asked for only when there is a wait. */
  readonly signal?: (() => AbortSignal) | undefined;
}

/** A read or a response that waits for room. */
interface Seeker {
  readonly bytes: number;
  grant(): void;
}

/** The part that responses may hold, so that slow readers leave room for reads. */
const responseShareMax = 0.5;
const waitMsMax = 10_000;
const seekersMax = 1_000;

/**
 * Bounds the bytes of images in memory.
 *
 * A read takes the largest size that may come before it starts, and gives it
 * back once the image is in the cache or was dropped. A response holds its
 * image until it is written or its socket closes, once for all responses with
 * the same image. Where there is no room the cache gives way first; then the
 * read or the response waits in a queue, for a bounded time.
 */
export class ImageMemory {
  readonly #options: ImageMemoryOptions;
  readonly #responseBytesMax: number;
  #readBytes = 0;
  #responseBytes = 0;
  readonly #responses = new Map<string, { count: number; readonly bytes: number }>();
  readonly #responseSeekers = new Set<Seeker>();
  readonly #readSeekers = new Set<Seeker>();

  constructor(options: ImageMemoryOptions) {
    this.#options = options;
    this.#responseBytesMax = options.bytesMax * responseShareMax;
  }

  /** Bytes that reads and responses hold; the cache gives up its own at any time. */
  get bytesInUse(): number {
    return this.#readBytes + this.#responseBytes;
  }

  /**
   * The part in use of what responses may hold, 0 … 1. What reads hold is no sign of
   * pressure: most of it is room for images that do not come, or come slowly.
   */
  get responseShare(): number {
    return this.#responseBytes / this.#responseBytesMax;
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
   * Room for a response with an image. To be taken before the image is at hand.
   *
   * @param key Tells images apart: further responses with one that is held cost nothing.
   * @throws GatewayError `overloaded` when there was none in time.
   */
  async roomToRespond(key: string, bytes: number, options: RoomOptions = {}): Promise<Release> {
    const held = this.#responses.get(key);
    if (held !== undefined) held.count += 1;
    else
      await this.#room(
        this.#responseSeekers,
        { bytes, take: () => this.#hold(key, bytes) },
        options,
      );
    return this.#once(() => this.#letGo(key));
  }

  #hold(key: string, bytes: number): void {
    const held = this.#responses.get(key);
    if (held !== undefined) {
      held.count += 1;
      return;
    }
    this.#responses.set(key, { count: 1, bytes });
    this.#responseBytes += bytes;
  }

  #letGo(key: string): void {
    const held = this.#responses.get(key);
    if (held === undefined) return;
    held.count -= 1;
    if (held.count > 0) return;
    this.#responses.delete(key);
    this.#responseBytes -= held.bytes;
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

  /** Responses go first: their images are paid for. */
  #grantNext(): void {
    for (const seekers of [this.#responseSeekers, this.#readSeekers]) {
      for (const seeker of seekers) {
        if (!this.#makeRoom(seekers, seeker.bytes)) break;
        seeker.grant();
      }
    }
  }

  /** Whether so many more bytes are within bounds, once the cache has given way. */
  #makeRoom(seekers: Set<Seeker>, bytes: number): boolean {
    const { bytesMax, cache } = this.#options;
    if (seekers === this.#responseSeekers && !this.#fitsResponses(bytes)) return false;
    if (this.bytesInUse > 0 && this.bytesInUse + bytes > bytesMax) return false;
    cache.shrinkTo(Math.max(0, bytesMax - this.bytesInUse - bytes));
    return true;
  }

  /** A single one always fits, even if it is larger than the whole share. */
  #fitsResponses(bytes: number): boolean {
    return this.#responseBytes === 0 || this.#responseBytes + bytes <= this.#responseBytesMax;
  }
}

function noRoom(): GatewayError {
  return new GatewayError('overloaded', 'the gateway holds as many images as it can for now', {
    retryAfterS: 5,
  });
}
