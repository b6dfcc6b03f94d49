import { LimitCounters, type CountRow } from '../../src/state/limit-counters.ts';
import { liveRecord, swapRecordIn, type RecordRow } from '../../src/state/record-swap.ts';
import type {
  ClaimsResult,
  Claim,
  RecordVersion,
  RecordWrite,
  StateStore,
  StoredRecord,
  SwapResult,
} from '../../src/state/state-store.ts';
import type { StoreTime } from '../../src/state/store-time.ts';
import { MemoryTable } from '../../src/state/tables.ts';

/**
 * The state of a store in memory, by the rules of the embedded one: every call
 * takes effect at once and as a whole. The network before it is simulated apart.
 */
export class SimulatedState {
  readonly #nowMs: () => number;
  readonly #time: StoreTime;
  #records = new MemoryTable<RecordRow>();
  /** Writes since the last durable one: a crash takes some of the last of them back. */
  #undurable: { readonly key: string; readonly before: RecordRow | undefined }[] = [];
  readonly #limits: LimitCounters;
  readonly #alive = new Map<string, number>();

  readonly #stepped: (from: string, to: string) => void;

  /** @param stepped Observation of every step of a record. */
  constructor(nowMs: () => number, stepped: (from: string, to: string) => void = () => undefined) {
    this.#nowMs = nowMs;
    this.#time = { steadyMs: nowMs, earliestMs: nowMs, latestMs: nowMs };
    this.#stepped = stepped;
    // A shared store has one clock for all, and it may step.
    const counts = new MemoryTable<CountRow>();
    this.#limits = new LimitCounters({ nowMs, elapsedMs: nowMs, counts });
  }

  read(key: string): StoredRecord | undefined {
    return liveRecord(this.#records, key, this.#time);
  }

  swap(key: string, expected: RecordVersion | undefined, next: RecordWrite): SwapResult {
    const before = this.#records.get(key);
    const result = swapRecordIn(this.#records, { key, expected, next }, this.#time);
    if (result.swapped) this.#stepped(expected?.state ?? 'absent', next.state);
    // A log is synced up to a point: what is durable takes along all that was written before it.
    if (result.swapped && next.durable) this.#undurable = [];
    else if (result.swapped) this.#undurable.push({ key, before });
    return result;
  }

  /** Comes back from a crash without the last so many writes that were not durable. @returns How many were lost. */
  crash(writesLost: number): number {
    const lost = this.#undurable.splice(Math.max(0, this.#undurable.length - writesLost));
    for (const { key, before } of lost.toReversed()) {
      if (before === undefined) this.#records.delete(key);
      else this.#records.put(key, before);
    }
    // What is left was read from the disk.
    this.#undurable = [];
    return lost.length;
  }

  admit(claims: readonly Claim[]): ClaimsResult {
    return this.#limits.takeClaims(claims);
  }

  giveBack(claims: readonly Claim[]): void {
    this.#limits.returnClaims(claims);
  }

  announce(gatewayId: string, aliveForMs: number): number {
    this.#alive.set(gatewayId, this.#nowMs() + aliveForMs);
    return [...this.#alive.values()].filter((untilMs) => untilMs > this.#nowMs()).length;
  }

  withdraw(gatewayId: string): void {
    this.#alive.delete(gatewayId);
  }
}

/** How a call travels between a gateway and the state: carries `work` out, or fails. */
export type Transport = <Result>(
  work: () => Result,
  call: { readonly durable: boolean },
) => Promise<Result>;

const direct: Transport = async (work) => work();

/** One gateway's end of the simulated store. */
export function simulatedStore(state: SimulatedState, transport: Transport = direct): StateStore {
  const plain = { durable: false };
  return {
    isShared: true,
    durability: 'server',
    swapRecord: (key, expected, next) => transport(() => state.swap(key, expected, next), next),
    takeClaims: (claims) => transport(() => state.admit(claims), plain),
    returnClaims: (claims) => transport(() => state.giveBack(claims), plain),
    announce: (id, aliveForMs) => transport(() => state.announce(id, aliveForMs), plain),
    endAnnouncement: (id) => transport(() => state.withdraw(id), plain),
    close: () => Promise.resolve(),
  };
}
