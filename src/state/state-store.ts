/**
 * The state that gateways keep beyond one request: which operation belongs to
 * an idempotency key, how much of a limit is used, and how many gateways share
 * the upstream's quota.
 *
 * What every store promises:
 *
 * - Each call is atomic: of two calls on the same keys, one happens wholly
 *   before the other, whichever gateway made them.
 * - What one call wrote, every later call sees. When a `durable` write
 *   resolves, it survives a crash, as far as the store offers that
 *   (`durability`).
 * - Times are measured by the clock of the store, so gateways with different
 *   clocks agree on when a lease is over. When that clock is set back, no lease
 *   and no limit lasts longer than its whole length from the next call on, and
 *   no slot longer than `slotLeaseMsMax`.
 * - A call that fails rejects with a GatewayError `store_unavailable` and
 *   nothing else, in bounded time. Whether its write took place is then
 *   unknown, and the caller must be right in both cases.
 *
 * What no store promises: an order between keys, and that a write without
 * `durable` is there after a crash.
 */
export interface StateStore {
  /** Whether other gateways may be working on the same state. */
  readonly isShared: boolean;
  /** What a durable write survives. */
  readonly durability: Durability;

  /**
   * Writes a record if the present one is the expected one: compare-and-set on
   * state and fence.
   *
   * @param expected undefined: there must be no record.
   * @returns The record as it is afterwards; without `swapped`, the one that was found instead.
   */
  swapRecord(
    key: string,
    expected: RecordVersion | undefined,
    next: RecordWrite,
  ): Promise<SwapResult>;

  /**
   * Takes all claims, or none if one of them does not fit.
   *
   * @param claims Each with a key of its own.
   * @returns One state for each claim, in the same order.
   */
  takeClaims(claims: readonly Claim[]): Promise<ClaimsResult>;

  /** Gives back what `takeClaims` took. What has expired in the meantime is left as it is. */
  returnClaims(claims: readonly Claim[]): Promise<void>;

  /**
   * Announces that a gateway is alive for the next `aliveForMs`.
   *
   * @returns How many gateways are alive, this one included; 1 or more.
   */
  announce(gatewayId: string, aliveForMs: number): Promise<number>;

  /** Ends the announcement: the gateway no longer counts as alive. */
  endAnnouncement(gatewayId: string): Promise<void>;

  /** Closes every connection and file. Later calls reject. */
  close(): Promise<void>;
}

/**
 * What a durable write survives. `machine`: a loss of power of the machine it
 * was written on. `server`: a crash of the store's server. `gateway`: a crash
 * of a gateway, but not of the store.
 */
export type Durability = 'machine' | 'server' | 'gateway';

/** The progress of the create behind an idempotency key. */
export type RecordState = 'reserved' | 'dispatched' | 'accepted' | 'failed' | 'unknown';

export interface RecordVersion {
  readonly state: RecordState;
  /** A number that grows each time a create takes the record over; never the same twice for one key. */
  readonly fence: number;
}

export interface StoredRecord extends RecordVersion {
  /** The hash of the request that first used the key. */
  readonly fingerprint: string;
  /** Text that the store does not read. */
  readonly data: string;
  /** Time until its lease ends, by the store's clock; 0 or less: it has ended. */
  readonly leaseLeftMs: number;
}

export interface RecordWrite {
  readonly state: RecordState;
  /**
   * `take` gives the record a new fence, greater than any that the key had, even
   * before an earlier record expired; `keep` leaves the expected one.
   */
  readonly fence: 'take' | 'keep';
  readonly fingerprint: string;
  readonly data: string;
  readonly leaseMs: number;
  /** Time until the record expires. */
  readonly keepMs: number;
  /** Whether to wait until the write survives a crash. */
  readonly durable: boolean;
}

export interface SwapResult {
  readonly swapped: boolean;
  readonly record: StoredRecord | undefined;
}

/** A wanted part of a limit. Claims of one key must agree on its quantity. */
export type Claim = RateClaim | CountClaim | SlotClaim;

/**
 * A rate: up to `quantity` at once, then one more every `periodMs / quantity`
 * (GCRA). After a pause, one period holds at most twice the quantity.
 */
export interface RateClaim {
  readonly kind: 'rate';
  readonly key: string;
  readonly quantity: number;
  readonly periodMs: number;
  /** How much of it is wanted, 1 or more. */
  readonly cost: number;
}

/** A count: at most `quantity` while the counter lives, which is `keepMs` from its first use. */
export interface CountClaim {
  readonly kind: 'count';
  readonly key: string;
  readonly quantity: number;
  readonly keepMs: number;
  readonly cost: number;
}

/** The longest lease of a slot. */
export const slotLeaseMsMax = 600_000;

/** A slot: at most `quantity` holders at once, each for `leaseMs` unless it is returned before. */
export interface SlotClaim {
  readonly kind: 'slot';
  readonly key: string;
  readonly quantity: number;
  /** At most `slotLeaseMsMax`. */
  readonly leaseMs: number;
  /** Name of the holder; the same holder again renews its lease. */
  readonly holder: string;
}

export interface ClaimState {
  /** How much more would fit now. */
  readonly remaining: number;
  /**
   * Time until a claim that did not fit could fit, at the earliest. Else the
   * time until the limit is whole again. In milliseconds, 0 or more.
   */
  readonly resetMs: number;
}

export interface ClaimsResult {
  readonly areTaken: boolean;
  readonly claims: readonly ClaimState[];
}
