import { GatewayError } from '../../errors/gateway-error.ts';
import type { Claim, ClaimState, StateStore } from '../../state/state-store.ts';
import type { Clock } from '../../clock/clock.ts';
import type { Slots } from './slots.ts';

/** What a requester may use. An absent limit is none. */
export interface RequesterLimits {
  /** A name, `name/version`, or a whole `art://` URI each. Absent: every model. */
  readonly models?: readonly string[] | undefined;
  readonly imagesPerMinuteMax?: number | undefined;
  /** Images being made at the same time. */
  readonly concurrentImagesMax?: number | undefined;
  /** By the calendar day in UTC. */
  readonly imagesPerDayMax?: number | undefined;
}

/** Images that one short-lived token may have made. */
export interface TokenAllowance {
  readonly tokenId: string;
  readonly imagesMax: number;
  readonly keepMs: number;
}

/** The one who asks for an image, and whose limits it counts against. */
export interface Requester {
  /** Names whose limits these are. */
  readonly subject: string;
  readonly limits: RequesterLimits;
  readonly allowance?: TokenAllowance | undefined;
}

/** One limit as callers see it in the headers of a response. */
export interface LimitState {
  /** Name of the limit in RateLimit-Policy: `minute`, `day`, `concurrent`, `token`, `gateway`. */
  readonly name: string;
  readonly quantity: number;
  /** Length of its window in seconds; absent where it has none. */
  readonly windowS?: number;
  readonly remaining: number;
  /** Seconds until there is more, or all of it again. */
  readonly resetS: number;
}

/** One image's part of every limit that applies. */
export interface Reservation {
  readonly limits: readonly LimitState[];
  /** Holder of the slot that the image takes in a limit of images at a time; absent where there is none. */
  readonly slotHolder?: string | undefined;
  /**
   * Gives it back, because nothing was spent. A rate counts attempts, so it stays
   * used, unless the attempt was a mistake that asked for no image.
   */
  refund(options?: { readonly includesRate: boolean }): Promise<void>;
  /** Gives back what an image holds only while it is being made. */
  release(): Promise<void>;
}

export interface AdmissionOptions {
  readonly store: StateStore;
  readonly clock: Clock;
  /** Of all callers together; absent is no cap. */
  readonly imagesPerMinuteMax?: number | undefined;
  readonly imagesPerDayMax?: number | undefined;
  readonly slots: Slots;
}

/** The error for a limit that is used up, with the states of all limits for the headers of the response. */
export class LimitReached extends GatewayError {
  readonly limits: readonly LimitState[];
  /** The one that holds the caller back longest. */
  readonly reached: LimitState;

  constructor(limits: readonly LimitState[], reached: LimitState) {
    super('rate_limited', sentenceOf(reached), {
      outcome: 'not_started',
      retryAfterS: Math.max(1, reached.resetS),
    });
    this.limits = limits;
    this.reached = reached;
  }
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
/**
 * The cap over all is handed out in short periods, so that a burst after a
 * pause and the refill behind it stay within the upstream's quota of any minute.
 */
const burstsPerMinute = 30;

interface Limit {
  readonly name: string;
  readonly windowS?: number;
  /** Until its window ends, where the store keeps its counter for longer. */
  readonly windowEndsInMs?: number;
  readonly quantity: number;
  readonly claim: Claim;
}

/** Decides, before anything is spent, whether a requester may have one more image made. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Reserves one image in every limit, or in none.
   *
   * @param modelUri The completed `art://` URI.
   * @throws GatewayError `permission_denied`, `rate_limited` (a LimitReached) or `store_unavailable`; nothing was spent.
   */
  async reserve(requester: Requester, modelUri: string): Promise<Reservation> {
    refuseModel(requester.limits.models, modelUri);
    const limits = this.#limitsOf(requester);
    if (limits.length === 0) return unlimited;
    const { store } = this.#options;
    const giveBack = async (kinds: readonly Claim['kind'][]) => {
      const given = limits.map(({ claim }) => claim).filter(({ kind }) => kinds.includes(kind));
      // What can't be given back now runs out by itself.
      if (given.length > 0) await store.returnClaims(given).catch(() => undefined);
    };
    const { areTaken, claims } = await store
      .takeClaims(limits.map(({ claim }) => claim))
      .catch((error: unknown) => {
        // A slow store may take them after all. A slot can be given back even where it was not taken.
        void giveBack(['slot']);
        return rethrowUnspent(error);
      });
    const states = limits.map((limit, index) => stateOf(limit, claims[index]));
    if (!areTaken) throw new LimitReached(states, reachedOf(states));
    return {
      limits: states,
      slotHolder: limits.flatMap(({ claim }) => (claim.kind === 'slot' ? [claim.holder] : []))[0],
      refund: ({ includesRate } = { includesRate: false }) =>
        giveBack(['count', 'slot', ...(includesRate ? (['rate'] as const) : [])]),
      release: () => giveBack(['slot']),
    };
  }

  #limitsOf({ subject, limits, allowance }: Requester): Limit[] {
    const { clock, slots, imagesPerMinuteMax, imagesPerDayMax } = this.#options;
    const nowMs = clock.nowMs();
    const day = new Date(nowMs).toISOString().slice(0, 10);
    const windowEndsInMs = dayMs - (nowMs % dayMs);
    const found: Limit[] = [];
    const daily = (name: string, key: string, quantity: number | undefined) => {
      if (quantity === undefined) return;
      // Kept longer than the day, so that no clock of a gateway can bring it back to life.
      const claim = {
        kind: 'count',
        key: `day ${day} ${key}`,
        quantity,
        keepMs: 2 * dayMs,
      } as const;
      found.push({
        ...{ name, quantity, windowS: dayMs / 1000, windowEndsInMs },
        claim: { ...claim, cost: 1 },
      });
    };
    if (limits.imagesPerMinuteMax !== undefined) {
      const quantity = limits.imagesPerMinuteMax;
      const claim = {
        kind: 'rate',
        key: `minute ${subject}`,
        quantity,
        periodMs: minuteMs,
      } as const;
      found.push({ name: 'minute', quantity, windowS: 60, claim: { ...claim, cost: 1 } });
    }
    daily('day', subject, limits.imagesPerDayMax);
    if (limits.concurrentImagesMax !== undefined) {
      const quantity = limits.concurrentImagesMax;
      found.push({ name: 'concurrent', quantity, claim: slots.claim(subject, quantity) });
    }
    if (allowance !== undefined) {
      const { tokenId, imagesMax: quantity, keepMs } = allowance;
      const claim = { kind: 'count', key: `token ${tokenId}`, quantity, keepMs, cost: 1 } as const;
      found.push({ name: 'token', quantity, claim });
    }
    if (imagesPerMinuteMax !== undefined) found.push(gatewayLimit(imagesPerMinuteMax));
    daily('gateway-day', '', imagesPerDayMax);
    return found;
  }
}

/** Whether the store took the claims or not: nothing was sent, and nothing will be. */
function rethrowUnspent(error: unknown): never {
  throw error instanceof GatewayError ? error.with({ outcome: 'not_started' }) : error;
}

const unlimited: Reservation = {
  limits: [],
  refund: () => Promise.resolve(),
  release: () => Promise.resolve(),
};

function gatewayLimit(perMinute: number): Limit {
  const periods = Math.max(1, Math.min(burstsPerMinute, Math.floor(perMinute / 10)));
  const quantity = Math.max(1, Math.floor(perMinute / (periods + 1)));
  // Beside one burst, a minute has room for what the refill brings in it, and for no more.
  const refilled = perMinute - quantity;
  const periodMs = refilled === 0 ? minuteMs : Math.ceil((quantity * minuteMs) / refilled);
  const claim = { kind: 'rate', key: 'gateway', quantity, periodMs, cost: 1 } as const;
  return { name: 'gateway', quantity: perMinute, windowS: 60, claim };
}

function stateOf(limit: Limit, state: ClaimState | undefined): LimitState {
  const { name, quantity, windowS, windowEndsInMs = Infinity } = limit;
  const resetMs = Math.min(state?.resetMs ?? 0, windowEndsInMs);
  return {
    name,
    quantity,
    ...(windowS !== undefined && { windowS }),
    remaining: state?.remaining ?? 0,
    resetS: Math.ceil(resetMs / 1000),
  };
}

/** The limit that holds the caller back longest. */
function reachedOf(states: readonly LimitState[]): LimitState {
  const used = states.filter(({ remaining }) => remaining === 0);
  const byReset = used.toSorted((a, b) => b.resetS - a.resetS)[0] ?? states[0];
  return byReset ?? { name: 'gateway', quantity: 0, remaining: 0, resetS: 1 };
}

function sentenceOf({ name, quantity }: LimitState): string {
  switch (name) {
    case 'minute':
      return `your limit of ${quantity} images a minute is used up`;
    case 'day':
      return `your limit of ${quantity} images a day is used up`;
    case 'concurrent':
      return `${quantity} of your images are being made already, which is your limit`;
    case 'token':
      return `the token was good for ${quantity} images, and they were made`;
    default:
      return 'the gateway makes no more images for now: the limit of all callers is used up';
  }
}

/** A model may be named as callers name it: by name, with its version, or as the whole URI. */
function refuseModel(models: readonly string[] | undefined, modelUri: string): void {
  if (models === undefined) return;
  const [, name = '', version = ''] = /^art:\/\/[^/]*\/([^/]+)(?:\/([^/]+))?/.exec(modelUri) ?? [];
  const names = new Set([modelUri, name, `${name}/${version}`]);
  if (models.some((model) => names.has(model))) return;
  throw new GatewayError('permission_denied', `you may use the models ${models.join(', ')}`, {
    outcome: 'not_started',
    violations: [
      { pointer: '#/model', code: 'permission', detail: 'expected a model you may use' },
    ],
  });
}
