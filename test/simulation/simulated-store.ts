import { LimitBook, type CountRow } from '../../src/state/limit-rules.ts';
import { liveRecord, swapRecordIn, type RecordRow } from '../../src/state/record-rules.ts';
import type {
  Admission,
  Claim,
  RecordVersion,
  RecordWrite,
  StateStore,
  StoredRecord,
  SwapResult,
} from '../../src/state/state-store.ts';
import { MemoryTable } from '../../src/state/tables.ts';

/**
 * The state of a store in memory, by the rules of the embedded one: every call
 * at once and atomic. What lies between it and a gateway is modelled apart.
 */
export class SimulatedState {
  readonly #nowMs: () => number;
  readonly #records = new MemoryTable<RecordRow>();
  readonly #limits: LimitBook;
  readonly #alive = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#limits = new LimitBook(nowMs, new MemoryTable<CountRow>());
  }

  read(key: string): StoredRecord | undefined {
    return liveRecord(this.#records, key, this.#nowMs());
  }

  swap(key: string, expected: RecordVersion | undefined, next: RecordWrite): SwapResult {
    return swapRecordIn(this.#records, { key, expected, next }, this.#nowMs());
  }

  admit(claims: readonly Claim[]): Admission {
    return this.#limits.admit(claims);
  }

  giveBack(claims: readonly Claim[]): void {
    this.#limits.giveBack(claims);
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
export type Transport = <Result>(work: () => Result) => Promise<Result>;

const direct: Transport = async (work) => work();

/** One gateway's end of the simulated store. */
export function simulatedStore(state: SimulatedState, transport: Transport = direct): StateStore {
  return {
    isShared: true,
    durability: 'server',
    swapRecord: (key, expected, next) => transport(() => state.swap(key, expected, next)),
    admit: (claims) => transport(() => state.admit(claims)),
    giveBack: (claims) => transport(() => state.giveBack(claims)),
    announce: (id, aliveForMs) => transport(() => state.announce(id, aliveForMs)),
    withdraw: (id) => transport(() => state.withdraw(id)),
    close: () => Promise.resolve(),
  };
}
