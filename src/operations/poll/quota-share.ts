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
/** Until the others have heard of a new gateway, and after one has left, it takes only this part of what is theirs. */
const newcomerShare = 0.1;

/**
 * Divides the upstream's result quota among the gateways that are alive.
 *
 * Each announces itself every two seconds and takes an equal share. While the
 * store is down the last known number stands: a share that is too small is
 * slow, one that is too large breaks the quota for everybody.
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

  /** Takes the announcement back, so that the others have the share at once. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    const { store, gatewayId, readRateLimiter, perSecond } = this.#options;
    if (!store.isShared) return;
    // The reads that are still asked for come out of what is now the share of others.
    readRateLimiter.setRate(perSecond * newcomerShare);
    await store.withdrawAnnouncement(gatewayId).catch(() => undefined);
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
