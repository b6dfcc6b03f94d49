import type {
  ClaimsResult,
  Claim,
  ClaimState,
  CountClaim,
  RateClaim,
  SlotClaim,
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
 * promise. Counts are in a table that may outlive the process. Rates and slots
 * end with it, and so do the requests that held the slots.
 */
export class LimitCounters {
  readonly #nowMs: () => number;
  readonly #counts: Table<CountRow>;
  readonly #rates = new MemoryTable<RateRow>();
  readonly #slots = new MemoryTable<SlotRow>();
  #sweepAt = sweepFromRows;

  constructor(nowMs: () => number, counts: Table<CountRow>) {
    this.#nowMs = nowMs;
    this.#counts = counts;
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
      else this.#putHolders(claim.key, this.#holders(claim.key), claim.holder, undefined);
    }
  }

  #check(claim: Claim): ClaimCheck {
    if (claim.kind === 'rate') return this.#checkRate(claim);
    return claim.kind === 'count' ? this.#checkCount(claim) : this.#checkSlots(claim);
  }

  #checkRate({ key, cost, quantity, periodMs }: RateClaim): ClaimCheck {
    const nowMs = this.#nowMs();
    const stepMs = periodMs / quantity;
    const wholeAtMs = Math.max(nowMs, this.#rates.get(key)?.goneAtMs ?? 0);
    const remaining = Math.max(0, Math.floor((nowMs + periodMs - wholeAtMs) / stepMs + 1e-6));
    const fits = remaining >= cost;
    const waitMs = wholeAtMs + cost * stepMs - nowMs - periodMs;
    return { fits, remaining, resetMs: fits ? wholeAtMs - nowMs : waitMs };
  }

  #checkCount({ key, cost, quantity }: CountClaim): ClaimCheck {
    const row = this.#liveCount(key);
    const remaining = Math.max(0, quantity - (row?.count ?? 0));
    const resetMs = row === undefined ? 0 : row.goneAtMs - this.#nowMs();
    return { fits: remaining >= cost, remaining, resetMs };
  }

  #checkSlots({ key, quantity, holder }: SlotClaim): ClaimCheck {
    const holders = this.#holders(key);
    const remaining = Math.max(0, quantity - holders.size);
    const resetMs = holders.size === 0 ? 0 : Math.min(...holders.values()) - this.#nowMs();
    return { fits: remaining > 0 || holders.has(holder), remaining, resetMs };
  }

  #take(claim: Claim): void {
    const nowMs = this.#nowMs();
    if (claim.kind === 'rate') {
      const { key, cost, quantity, periodMs } = claim;
      const wholeAtMs = Math.max(nowMs, this.#rates.get(key)?.goneAtMs ?? 0);
      this.#rates.put(key, { goneAtMs: wholeAtMs + (cost * periodMs) / quantity });
    } else if (claim.kind === 'count') {
      const { count, goneAtMs } = this.#liveCount(claim.key) ?? {
        count: 0,
        goneAtMs: nowMs + claim.keepMs,
      };
      this.#counts.put(claim.key, { count: count + claim.cost, goneAtMs });
    } else {
      const { key, holder, leaseMs } = claim;
      this.#putHolders(key, this.#holders(key), holder, nowMs + leaseMs);
    }
  }

  #returnRate({ key, cost, quantity, periodMs }: RateClaim): void {
    const row = this.#rates.get(key);
    if (row === undefined) return;
    this.#rates.put(key, { goneAtMs: row.goneAtMs - (cost * periodMs) / quantity });
  }

  #returnCount({ key, cost }: CountClaim): void {
    const row = this.#liveCount(key);
    if (row === undefined) return;
    this.#counts.put(key, { ...row, count: Math.max(0, row.count - cost) });
  }

  #liveCount(key: string): CountRow | undefined {
    const row = this.#counts.get(key);
    return row !== undefined && row.goneAtMs > this.#nowMs() ? row : undefined;
  }

  #holders(key: string): ReadonlyMap<string, number> {
    const held = [...(this.#slots.get(key)?.holders ?? [])];
    return new Map(held.filter(([, untilMs]) => untilMs > this.#nowMs()));
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
    this.#slots.put(key, { holders, goneAtMs: Math.max(0, ...holders.values()) });
  }

  #sweepWhenLarge(): void {
    if (this.#rates.size + this.#slots.size < this.#sweepAt) return;
    this.#rates.sweep(this.#nowMs());
    this.#slots.sweep(this.#nowMs());
    this.#sweepAt = Math.max(sweepFromRows, 2 * (this.#rates.size + this.#slots.size));
  }
}

function withoutFits({ remaining, resetMs }: ClaimCheck): ClaimState {
  return { remaining, resetMs };
}
