import type { FlowOrder } from './flow-order.ts';

/** How long callers of a flow wait: a later response is of no use to them. */
export const patienceMs = 2_000;

/** The counts of one stream in one phase, or of all in one second: requests due in it, and responses in it. */
export interface Tally {
  readonly due: number;
  /** 2xx and 304 within the caller's patience. */
  readonly good: number;
  /** 2xx and 304 after the caller had given up. */
  readonly late: number;
  /** 429 and 503. */
  readonly refused: number;
  /** Any other response, or a broken connection. */
  readonly failed: number;
  /** Requests that were never sent, because no connection was free in time. */
  readonly gaveUp: number;
  /** Measured from the moment when the request was due. */
  readonly goodP50Ms: number;
  readonly goodP99Ms: number;
  readonly refusedP99Ms: number;
}

export interface FlowResult {
  /** By phase, then by the stream's name. */
  readonly phases: readonly Readonly<Record<string, Tally>>[];
  /** All streams together, by the second in which they were due. */
  readonly seconds: readonly Tally[];
  /** How often each status code came. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly unanswered: number;
  /** How late the generator's timer was: what it could not send in time. */
  readonly tickLateP99Ms: number;
  /** Used part of one core. */
  readonly cpuShare: number;
}

class Cell {
  due = 0;
  late = 0;
  failed = 0;
  gaveUp = 0;
  readonly goodMs: number[] = [];
  readonly refusedMs: number[] = [];

  get tally(): Tally {
    this.goodMs.sort((a, b) => a - b);
    this.refusedMs.sort((a, b) => a - b);
    return {
      due: this.due,
      good: this.goodMs.length,
      late: this.late,
      refused: this.refusedMs.length,
      failed: this.failed,
      gaveUp: this.gaveUp,
      goodP50Ms: quantile(this.goodMs, 0.5),
      goodP99Ms: quantile(this.goodMs, 0.99),
      refusedP99Ms: quantile(this.refusedMs, 0.99),
    };
  }
}

/** The value below which the share lies; 0 if there are none. */
function quantile(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 10) / 10;
}

/** The observations of a flow. */
export class FlowObservations {
  unanswered = 0;
  readonly #order: FlowOrder;
  readonly #phases: readonly (readonly Cell[])[];
  readonly #seconds: Cell[] = [];
  readonly #statuses: Record<string, number> = {};
  readonly #tickLateMs: number[] = [];

  constructor(order: FlowOrder) {
    this.#order = order;
    this.#phases = order.phaseSeconds.map(() => order.streams.map(() => new Cell()));
  }

  ticked(lateMs: number): void {
    this.#tickLateMs.push(Math.max(0, lateMs));
  }

  due(stream: number, scheduledMs: number): void {
    for (const cell of this.#cells(stream, scheduledMs)) cell.due += 1;
  }

  gaveUp(stream: number, scheduledMs: number): void {
    for (const cell of this.#cells(stream, scheduledMs)) cell.gaveUp += 1;
  }

  answered(response: {
    readonly stream: number;
    readonly scheduledMs: number;
    readonly status: number;
    readonly tookMs: number;
  }): void {
    const { status, tookMs } = response;
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    const isGood = (status >= 200 && status < 300) || status === 304;
    for (const cell of this.#cells(response.stream, response.scheduledMs + tookMs)) {
      if (isGood && tookMs > patienceMs) cell.late += 1;
      else if (isGood) cell.goodMs.push(tookMs);
      else if (status === 429 || status === 503) cell.refusedMs.push(tookMs);
      else cell.failed += 1;
    }
  }

  result(cpuShare: number): FlowResult {
    const { streams } = this.#order;
    const named = (cells: readonly Cell[]) =>
      Object.fromEntries(cells.map((cell, index) => [streams[index]?.name ?? '', cell.tally]));
    this.#tickLateMs.sort((a, b) => a - b);
    return {
      phases: this.#phases.map(named),
      seconds: Array.from(this.#seconds, (cell: Cell | undefined) => (cell ?? new Cell()).tally),
      statuses: this.#statuses,
      unanswered: this.unanswered,
      tickLateP99Ms: quantile(this.#tickLateMs, 0.99),
      cpuShare,
    };
  }

  #cells(stream: number, atMs: number): readonly Cell[] {
    const second = (this.#seconds[Math.floor(atMs / 1_000)] ??= new Cell());
    let phase = 0;
    let endMs = 0;
    for (const seconds of this.#order.phaseSeconds) {
      endMs += seconds * 1_000;
      if (atMs < endMs) break;
      phase += 1;
    }
    const cell = this.#phases[phase]?.[stream];
    return cell === undefined ? [second] : [second, cell];
  }
}
