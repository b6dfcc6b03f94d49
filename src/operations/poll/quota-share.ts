import type { StateStore } from '../../state/state-store.ts';
import type { CancelTimer, Clock } from '../../clock/clock.ts';
import type { ReadRateLimiter } from './read-rate-limiter.ts';

export interface QuotaShareOptions {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly readRateLimiter: ReadRateLimiter;
  /** Reads a second that all gateways together may begin. */
  readonly perSecond: number;
  /** Names this gateway among the others; never the same twice. */
  readonly gatewayId: string;
}

const beatMs = 2_000;
const aliveForMs = 3 * beatMs;
/** The part of the quota that a gateway uses until the others know of it, and after it has left. */
const newcomerShare = 0.1;

/**
 * This gateway's share of the upstream's result-read quota, which is divided
 * equally among the gateways that are alive.
 *
 * Each announces itself every two seconds. While the store is down the last
 * known number stands: a share that is too small is slow, one that is too large
 * breaks the quota for all.
 */
export class QuotaShare {
  readonly #options: QuotaShareOptions;
  #beats = 0;
  #cancelTimer: CancelTimer | undefined;
  #isClosed = false;

  constructor(options: QuotaShareOptions) {
    this.#options = options;
    if (options.store.isShared) options.readRateLimiter.setRate(options.perSecond * newcomerShare);
  }

  /** Announces this gateway, and again until it is closed. */
  open(): void {
    if (this.#options.store.isShared) void this.#beat();
  }

  /** Ends the announcement, so that the others have the share at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    const { store, gatewayId, readRateLimiter, perSecond } = this.#options;
    if (!store.isShared) return;
    // Reads from now on come out of what is already the share of others.
    readRateLimiter.setRate(perSecond * newcomerShare);
    await store.endAnnouncement(gatewayId).catch(() => undefined);
  }

  async #beat(): Promise<void> {
    const { store, clock, readRateLimiter, perSecond, gatewayId } = this.#options;
    try {
      const gateways = await store.announce(gatewayId, aliveForMs);
      if (this.#isClosed) return;
      this.#beats += 1;
      const isKnown = this.#beats > 2 || gateways === 1;
      readRateLimiter.setRate(perSecond * (isKnown ? 1 / gateways : newcomerShare));
    } catch {
      // What was known last still holds.
    }
    if (!this.#isClosed) this.#cancelTimer = clock.after(beatMs, () => void this.#beat());
  }
}
