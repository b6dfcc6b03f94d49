/**
 * What gateways have to remember beyond one request: which idempotency keys
 * stand for which operation, how much of a limit is used up, and how many
 * gateways share the upstream's quota.
 *
 * What every store promises:
 *
 * - Each call is atomic: of two calls on the same keys, one happens wholly
 *   before the other, whichever gateway made them.
 * - What one call wrote, every later call sees. A write asked to be `durable`
 *   has also outlived a crash by the time the call resolves, as far as the
 *   store offers that (`durability`).
 * - Times are measured by the clock of the store, so gateways with different
 *   clocks agree on when a lease is over.
 * - A call that fails rejects with a GatewayError `store_unavailable` and
 *   nothing else, in bounded time. Whether its write took place is then
 *   unknown: the caller has to go on as if it might have, or might not.
 *
 * What they don't promise: an order between keys, and that anything written
 * without `durable` is there after a crash.
 */
export interface StateStore {
  /** Whether other gateways may be working on the same state. */
  readonly isShared: boolean;
  /** What a durable write outlives. Told to the operator at the start. */
  readonly durability: Durability;

  /**
   * Writes a record if the one that is there is still the expected one:
   * compare-and-set on state and fence.
   *
   * @param expected undefined: there must be no record.
   * @returns The record as it is afterwards; without `swapped`, as somebody else left it.
   */
  swapRecord(
    key: string,
    expected: RecordVersion | undefined,
    next: RecordWrite,
  ): Promise<SwapResult>;

  /**
   * Takes all claims, or none when one of them can't be had.
   *
   * @param claims Each with a key of its own.
   * @returns One state a claim, in their order.
   */
  takeClaims(claims: readonly Claim[]): Promise<ClaimsResult>;

  /** Returns what `admit` took. What has run out in the meantime is left as it is. */
  returnClaims(claims: readonly Claim[]): Promise<void>;

  /**
   * Says that a gateway is alive, for as long as told.
   *
   * @returns How many are, this one among them; 1 or more.
   */
  announce(gatewayId: string, aliveForMs: number): Promise<number>;

  /** Takes the announcement back. */
  withdrawAnnouncement(gatewayId: string): Promise<void>;

  /** Ends every connection and file. Calls afterwards reject. */
  close(): Promise<void>;
}

/**
 * What a durable write outlives. `machine`: a loss of power of the machine it
 * was written on. `server`: a crash of the store's server. `gateway`: a crash
 * of a gateway, not one of the store.
 */
export type Durability = 'machine' | 'server' | 'gateway';

/** How far the create behind an idempotency key has come. */
export type RecordState = 'reserved' | 'dispatched' | 'accepted' | 'failed' | 'unknown';

export interface RecordVersion {
  readonly state: RecordState;
  /** Grows whenever somebody takes the record over; never the same twice for one key. */
  readonly fence: number;
}

export interface StoredRecord extends RecordVersion {
  /** Which request the key was first used with. */
  readonly fingerprint: string;
  /** Belongs to whoever wrote it. */
  readonly data: string;
  /** Until its lease is over, by the store's clock; 0 or less: it is over. */
  readonly leaseLeftMs: number;
}

export interface RecordWrite {
  readonly state: RecordState;
  /**
   * `take` gives the record a new fence, greater than any it had, also after it
   * ran out and came back; `keep` leaves the expected one.
   */
  readonly fence: 'take' | 'keep';
  readonly fingerprint: string;
  readonly data: string;
  readonly leaseMs: number;
  /** After that the record is gone. */
  readonly keepMs: number;
  /** Whether to wait until the write outlives a crash. */
  readonly durable: boolean;
}

export interface SwapResult {
  readonly swapped: boolean;
  readonly record: StoredRecord | undefined;
}

/** Part of a limit that is wanted. Claims of one key must agree on its quantity. */
export type Claim = RateClaim | CountClaim | SlotClaim;

/**
 * Up to `quantity` at once, then one more every `periodMs / quantity` (GCRA):
 * in one period after a pause at most twice the quantity.
 */
export interface RateClaim {
  readonly kind: 'rate';
  readonly key: string;
  readonly quantity: number;
  readonly periodMs: number;
  /** How many are wanted, 1 or more. */
  readonly cost: number;
}

/** At most `quantity` as long as the counter lives: `keepMs` from its first use. */
export interface CountClaim {
  readonly kind: 'count';
  readonly key: string;
  readonly quantity: number;
  readonly keepMs: number;
  readonly cost: number;
}

/** At most `quantity` holders at once; each for `leaseMs` unless it gives back before. */
export interface SlotClaim {
  readonly kind: 'slot';
  readonly key: string;
  readonly quantity: number;
  readonly leaseMs: number;
  /** Names who holds it; the same holder again prolongs its lease. */
  readonly holder: string;
}

export interface ClaimState {
  /** How many more could be had now. */
  readonly remaining: number;
  /**
   * Of a claim that could not be had: when it could, at the earliest. Else when
   * the limit is whole again. In milliseconds, 0 or more.
   */
  readonly resetMs: number;
}

export interface ClaimsResult {
  readonly areTaken: boolean;
  readonly claims: readonly ClaimState[];
}
