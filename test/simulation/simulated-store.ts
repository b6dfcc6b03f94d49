import type {
  Admission,
  Claim,
  ClaimState,
  RecordVersion,
  RecordWrite,
  StateStore,
  StoredRecord,
  SwapResult,
} from '../../src/state/state-store.ts';

interface KeptRecord {
  readonly write: RecordWrite;
  readonly fence: number;
  readonly leaseUntilMs: number;
  readonly goneAtMs: number;
}

/** The state of a store in memory: every call at once and atomic. What lies between it and a gateway is modelled apart. */
export class SimulatedState {
  readonly #nowMs: () => number;
  readonly #records = new Map<string, KeptRecord>();
  readonly #rates = new Map<string, number>();
  readonly #counts = new Map<string, { count: number; goneAtMs: number }>();
  readonly #slots = new Map<string, Map<string, number>>();
  readonly #alive = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  read(key: string): StoredRecord | undefined {
    const kept = this.#records.get(key);
    if (kept === undefined || kept.goneAtMs <= this.#nowMs()) return undefined;
    const { state, fingerprint, data } = kept.write;
    const leaseLeftMs = kept.leaseUntilMs - this.#nowMs();
    return { state, fingerprint, data, fence: kept.fence, leaseLeftMs };
  }

  swap(key: string, expected: RecordVersion | undefined, next: RecordWrite): SwapResult {
    const found = this.read(key);
    const isExpected = found?.state === expected?.state && found?.fence === expected?.fence;
    if (!isExpected) return { swapped: false, record: found };
    const nowMs = this.#nowMs();
    const before = expected?.fence ?? 0;
    this.#records.set(key, {
      write: next,
      fence: next.fence === 'take' ? Math.max(nowMs, before + 1) : before,
      leaseUntilMs: nowMs + next.leaseMs,
      goneAtMs: nowMs + next.keepMs,
    });
    return { swapped: true, record: this.read(key) };
  }

  admit(claims: readonly Claim[]): Admission {
    const states = claims.map((claim) => this.#look(claim));
    const admitted = states.every(({ fits }) => fits);
    if (!admitted) return { admitted, claims: states };
    for (const claim of claims) this.#take(claim);
    return { admitted, claims: claims.map((claim) => this.#look(claim)) };
  }

  giveBack(claims: readonly Claim[]): void {
    for (const claim of claims) {
      if (claim.kind === 'slot') this.#slots.get(claim.key)?.delete(claim.holder);
      const count = claim.kind === 'count' ? this.#counts.get(claim.key) : undefined;
      if (claim.kind === 'count' && count !== undefined) {
        count.count = Math.max(0, count.count - claim.cost);
      }
      if (claim.kind === 'rate') {
        const stepMs = claim.periodMs / claim.quantity;
        const tat = this.#rates.get(claim.key) ?? 0;
        this.#rates.set(claim.key, tat - stepMs * claim.cost);
      }
    }
  }

  announce(gatewayId: string, aliveForMs: number): number {
    this.#alive.set(gatewayId, this.#nowMs() + aliveForMs);
    return [...this.#alive.values()].filter((untilMs) => untilMs > this.#nowMs()).length;
  }

  withdraw(gatewayId: string): void {
    this.#alive.delete(gatewayId);
  }

  #look(claim: Claim): ClaimState & { readonly fits: boolean } {
    const nowMs = this.#nowMs();
    if (claim.kind === 'rate') {
      const stepMs = claim.periodMs / claim.quantity;
      const tat = Math.max(nowMs, this.#rates.get(claim.key) ?? 0);
      const remaining = Math.floor((nowMs + claim.periodMs - tat) / stepMs + 1e-9);
      const fits = remaining >= claim.cost;
      const waitMs = tat + claim.cost * stepMs - nowMs - claim.periodMs;
      return { fits, remaining, resetMs: Math.max(0, fits ? tat - nowMs : waitMs) };
    }
    if (claim.kind === 'count') {
      const kept = this.#counts.get(claim.key);
      const isLive = kept !== undefined && kept.goneAtMs > nowMs;
      const remaining = Math.max(0, claim.quantity - (isLive ? kept.count : 0));
      const resetMs = isLive ? kept.goneAtMs - nowMs : 0;
      return { fits: remaining >= claim.cost, remaining, resetMs };
    }
    const holders = this.#holders(claim.key);
    const remaining = Math.max(0, claim.quantity - holders.size);
    const fits = remaining > 0 || holders.has(claim.holder);
    const untilMs = [...holders.values()];
    const resetMs = untilMs.length === 0 ? 0 : Math.min(...untilMs) - nowMs;
    return { fits, remaining, resetMs };
  }

  #take(claim: Claim): void {
    const nowMs = this.#nowMs();
    if (claim.kind === 'rate') {
      const tat = Math.max(nowMs, this.#rates.get(claim.key) ?? 0);
      this.#rates.set(claim.key, tat + (claim.cost * claim.periodMs) / claim.quantity);
    } else if (claim.kind === 'count') {
      const kept = this.#counts.get(claim.key);
      if (kept !== undefined && kept.goneAtMs > nowMs) kept.count += claim.cost;
      else this.#counts.set(claim.key, { count: claim.cost, goneAtMs: nowMs + claim.keepMs });
    } else {
      this.#holders(claim.key).set(claim.holder, nowMs + claim.leaseMs);
    }
  }

  #holders(key: string): Map<string, number> {
    const holders = this.#slots.get(key) ?? new Map<string, number>();
    this.#slots.set(key, holders);
    for (const [holder, untilMs] of holders) {
      if (untilMs <= this.#nowMs()) holders.delete(holder);
    }
    return holders;
  }
}

/** How a call travels between a gateway and the state: carries `work` out, or fails. */
export type Transport = <Result>(work: () => Result) => Promise<Result>;

const direct: Transport = async (work) => work();

/** One gateway's end of the simulated store. */
export function simulatedStore(state: SimulatedState, transport: Transport = direct): StateStore {
  return {
    isShared: true,
    durability: 'server',
    readRecord: (key) => transport(() => state.read(key)),
    swapRecord: (key, expected, next) => transport(() => state.swap(key, expected, next)),
    admit: (claims) => transport(() => state.admit(claims)),
    giveBack: (claims) => transport(() => state.giveBack(claims)),
    announce: (id, aliveForMs) => transport(() => state.announce(id, aliveForMs)),
    withdraw: (id) => transport(() => state.withdraw(id)),
    close: () => Promise.resolve(),
  };
}
