import { Chance } from './chance.ts';
import { drawnFaults, noFaults, type Faults } from './faults.ts';
import { VirtualTime } from './virtual-time.ts';

/** What all parts of one history share: its time, its chance, what goes wrong, and what was seen. */
export class World {
  readonly time = new VirtualTime(1_800_000_000_000);
  readonly chance: Chance;
  faults: Faults;
  /** While it lasts, the upstream is out of reach. */
  #outage: { readonly fromMs: number; readonly toMs: number } | undefined;
  #otherStore: { readonly fromMs: number; readonly toMs: number } | undefined;
  readonly #seen = new Map<string, number>();
  readonly #trace: string[] | undefined;

  constructor(seed: number, options: { readonly traced?: boolean } = {}) {
    this.chance = new Chance(seed);
    this.faults = drawnFaults(this.chance);
    this.#trace = options.traced === true ? [] : undefined;
  }

  /** Nothing goes wrong from now on. */
  heal(): void {
    this.faults = noFaults;
    this.#outage = undefined;
    this.#otherStore = undefined;
  }

  /** Puts a service with another store behind the upstream's address for a while. */
  planOtherStore(fromMs: number, toMs: number): void {
    this.#otherStore = { fromMs, toMs };
  }

  get isOtherStore(): boolean {
    return this.#isIn(this.#otherStore);
  }

  /** Takes the upstream away for a while. */
  planOutage(fromMs: number, toMs: number): void {
    this.#outage = { fromMs, toMs };
  }

  get isUpstreamOut(): boolean {
    return this.#isIn(this.#outage);
  }

  #isIn(span: { readonly fromMs: number; readonly toMs: number } | undefined): boolean {
    const { nowMs } = this.time;
    return span !== undefined && nowMs >= span.fromMs && nowMs < span.toMs;
  }

  /** Counts an event. The counts show what a run covered. */
  note(what: string, details = ''): void {
    this.#seen.set(what, (this.#seen.get(what) ?? 0) + 1);
    this.#trace?.push(
      `${(this.time.nowMs - 1_800_000_000_000).toFixed(0).padStart(9)} ${what} ${details}`,
    );
  }

  get seen(): ReadonlyMap<string, number> {
    return this.#seen;
  }

  get trace(): readonly string[] {
    return this.#trace ?? [];
  }

  /** How long a message takes. */
  messageMs(): number {
    const { chance, faults } = this;
    return chance.often(faults.delay) ? chance.spread(50, 60_000) : chance.spread(0.2, 20);
  }
}
