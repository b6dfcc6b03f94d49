import {
  slotLeaseMsMax,
  type ClaimsResult,
  type Claim,
  type ClaimState,
  type CountClaim,
  type RateClaim,
  type SlotClaim,
} from './state-store.ts';
import { MemoryTable, type Table } from './tables.ts';

/** The count under one key. */
export interface CountRow {
  readonly count: number;
  readonly goneAtMs: number;
}

/** The state of one rate: `goneAtMs` is when it is whole again (GCRA's theoretical arrival time). */
interface RateRow {
  readonly goneAtMs: number;
}

interface SlotRow {
  /** When the lease of each holder ends. */
  readonly holders: ReadonlyMap<string, number>;
  readonly goneAtMs: number;
}

type ClaimCheck = ClaimState & { readonly fits: boolean };

/** Rows in memory from which on expired ones are swept; then again each time their number has doubled. */
const sweepFromRows = 1_024;

/**
 * The limits of one process: what `StateStore.takeClaims` and `returnClaims`
 * promise. Counts are in a table that may outlive the process, so they go by
 * wall time. Rates and slots end with the process, and so do the requests that
 * held the slots: they go by monotonic time.
 *
 * No row lasts longer than its claim says, even when the clock was set back after
 * it was written.
 */
export class LimitCounters {
  readonly #nowMs: () => number;
  readonly #elapsedMs: () => number;
  readonly #counts: Table<CountRow>;
  readonly #rates = new MemoryTable<RateRow>();
  readonly #slots = new MemoryTable<SlotRow>();
  #sweepAt = sweepFromRows;

  constructor(parts: {
    /** Wall time. */
    readonly nowMs: () => number;
    /** Monotonic time. */
    readonly elapsedMs: () => number;
    readonly counts: Table<CountRow>;
  }) {
    this.#nowMs = parts.nowMs;
    this.#elapsedMs = parts.elapsedMs;
    this.#counts = parts.counts;
  }

  takeClaims(claims: readonly Claim[]): ClaimsResult {
    this.#sweepWhenLarge();
    const states = claims.map((claim) => this.#check(claim));
    if (!states.every(({ fits }) => fits))
      return { areTaken: false, claims: states.map(withoutFits) };
    for (const claim of claims) this.#take(claim);
    return { areTaken: true, claims: claims.map((claim) => withoutFits(this.#check(claim))) };
  }

  returnClaims(claims: readonly Claim[]): void {
    for (const claim of claims) {
      if (claim.kind === 'rate') this.#returnRate(claim);
      else if (claim.kind === 'count') this.#returnCount(claim);
      else this.#putHolders(claim.key, this.#holders(claim), claim.holder, undefined);
    }
  }

  #check(claim: Claim): ClaimCheck {
    if (claim.kind === 'rate') return this.#checkRate(claim);
    return claim.kind === 'count' ? this.#checkCount(claim) : this.#checkSlots(claim);
  }

  #checkRate(claim: RateClaim): ClaimCheck {
    const { cost, quantity, periodMs } = claim;
    const stepMs = periodMs / quantity;
    const wholeInMs = this.#wholeAtMs(claim) - this.#elapsedMs();
    const remaining = Math.max(0, Math.floor((periodMs - wholeInMs) / stepMs + 1e-6));
    const fits = remaining >= cost;
    return { fits, remaining, resetMs: fits ? wholeInMs : wholeInMs + cost * stepMs - periodMs };
  }

  #checkCount(claim: CountClaim): ClaimCheck {
    const { cost, quantity } = claim;
    const row = this.#liveCount(claim);
    const remaining = Math.max(0, quantity - (row?.count ?? 0));
    const resetMs = row === undefined ? 0 : row.goneAtMs - this.#nowMs();
    return { fits: remaining >= cost, remaining, resetMs };
  }

  #checkSlots(claim: SlotClaim): ClaimCheck {
    const { quantity, holder } = claim;
    const holders = this.#holders(claim);
    const remaining = Math.max(0, quantity - holders.size);
    const resetMs = holders.size === 0 ? 0 : Math.min(...holders.values()) - this.#elapsedMs();
    return { fits: remaining > 0 || holders.has(holder), remaining, resetMs };
  }

  #take(claim: Claim): void {
    if (claim.kind === 'rate') {
      const { key, cost, quantity, periodMs } = claim;
      const wholeAtMs = this.#wholeAtMs(claim);
      this.#rates.put(key, { goneAtMs: wholeAtMs + (cost * periodMs) / quantity });
    } else if (claim.kind === 'count') {
      const { count, goneAtMs } = this.#liveCount(claim) ?? {
        count: 0,
        goneAtMs: this.#nowMs() + claim.keepMs,
      };
      this.#counts.put(claim.key, { count: count + claim.cost, goneAtMs });
    } else {
      const { key, holder, leaseMs } = claim;
      this.#putHolders(key, this.#holders(claim), holder, this.#elapsedMs() + leaseMs);
    }
  }

  #returnRate({ key, cost, quantity, periodMs }: RateClaim): void {
    const row = this.#rates.get(key);
    if (row === undefined) return;
    this.#rates.put(key, { goneAtMs: row.goneAtMs - (cost * periodMs) / quantity });
  }

  #returnCount(claim: CountClaim): void {
    const row = this.#liveCount(claim);
    if (row === undefined) return;
    const count = Math.max(0, row.count - claim.cost);
    // A counter at 0 is as good as none: the next sweep deletes it.
    this.#counts.put(claim.key, { count, goneAtMs: count === 0 ? this.#nowMs() : row.goneAtMs });
  }

  /** When all of a rate is there again: in one period at the latest. */
  #wholeAtMs({ key, periodMs }: RateClaim): number {
    const elapsedMs = this.#elapsedMs();
    const { goneAtMs } = this.#rates.get(key) ?? { goneAtMs: elapsedMs };
    const latestMs = elapsedMs + periodMs;
    if (goneAtMs > latestMs) this.#rates.put(key, { goneAtMs: latestMs });
    return Math.min(Math.max(elapsedMs, goneAtMs), latestMs);
  }

  #liveCount({ key, keepMs }: CountClaim): CountRow | undefined {
    const row = this.#counts.get(key);
    const nowMs = this.#nowMs();
    // A counter at 0 only waits for the sweep: what it says of its end no longer counts.
    if (row === undefined || row.count === 0 || row.goneAtMs <= nowMs) return undefined;
    if (row.goneAtMs <= nowMs + keepMs) return row;
    const clamped = { ...row, goneAtMs: nowMs + keepMs };
    this.#counts.put(key, clamped);
    return clamped;
  }

  #holders({ key }: SlotClaim): ReadonlyMap<string, number> {
    const held = [...(this.#slots.get(key)?.holders ?? [])];
    const elapsedMs = this.#elapsedMs();
    const latestMs = elapsedMs + slotLeaseMsMax;
    const live = held.filter(([, untilMs]) => untilMs > elapsedMs);
    const holders = new Map(live.map(([name, untilMs]) => [name, Math.min(untilMs, latestMs)]));
    if (live.some(([, untilMs]) => untilMs > latestMs)) this.#keepHolders(key, holders);
    return holders;
  }

  #putHolders(
    key: string,
    before: ReadonlyMap<string, number>,
    holder: string,
    untilMs: number | undefined,
  ): void {
    const holders = new Map(before);
    if (untilMs === undefined) holders.delete(holder);
    else holders.set(holder, untilMs);
    this.#keepHolders(key, holders);
  }

  #keepHolders(key: string, holders: ReadonlyMap<string, number>): void {
    this.#slots.put(key, { holders, goneAtMs: Math.max(0, ...holders.values()) });
  }

  #sweepWhenLarge(): void {
    if (this.#rates.size + this.#slots.size < this.#sweepAt) return;
    this.#rates.sweep(this.#elapsedMs());
    this.#slots.sweep(this.#elapsedMs());
    this.#sweepAt = Math.max(sweepFromRows, 2 * (this.#rates.size + this.#slots.size));
  }
}

function withoutFits({ remaining, resetMs }: ClaimCheck): ClaimState {
  return { remaining, resetMs };
}
