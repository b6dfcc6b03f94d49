import { spendFindings, type SpendReport } from '../support/spend-audit.ts';

/** One create and its response. */
export interface ObservedCreate {
  /** The prompt, which no other create has: it finds the create in the upstream's ledger. */
  readonly marker: string;
  readonly httpStatus: number;
  readonly reported: SpendReport;
  readonly code: string;
  readonly id: string | undefined;
  readonly tookMs: number;
  /** Longest time it may take. */
  readonly limitMs: number;
}

/** What one response said about an operation. */
export interface ObservedRead {
  readonly id: string;
  /** The kind of caller: a waiter, a poller, an event stream. */
  readonly by: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly limitMs: number;
  readonly state:
    | { readonly kind: 'running' }
    /** The outcome by its aspects: status, seed, number of bytes, their hash, reason. */
    | { readonly kind: 'finished'; readonly aspects: Readonly<Record<string, string>> }
    | { readonly kind: 'refused'; readonly httpStatus: number; readonly code: string };
}

/** How often the upstream billed each marker. */
export type BilledTimes = ReadonlyMap<string, number>;

/** Everything that the callers of one gateway saw, in the order of the responses. */
export class Observations {
  readonly creates: ObservedCreate[] = [];
  readonly reads: ObservedRead[] = [];
  /** What is wrong by itself, whatever the upstream's ledger says. */
  readonly findings: string[] = [];

  /** Every contradiction, with the upstream's ledger or between observations, in words. */
  audit(billedTimes: BilledTimes): readonly string[] {
    return [
      ...this.findings,
      ...this.creates.flatMap((create) => createFindings(create, billedTimes)),
      ...byOperation(this.reads).flatMap(contradictions),
      ...this.reads
        .filter(isLate)
        .map((read) => `${read.by} got a late response: ${inWords(read)}`),
    ];
  }
}

function createFindings(create: ObservedCreate, ledger: BilledTimes): readonly string[] {
  const { marker, reported, code, httpStatus, tookMs, limitMs } = create;
  const billedTimes = ledger.get(marker) ?? 0;
  const findings = [...spendFindings({ reports: [reported], billedTimes })];
  if (reported === 'none') findings.push('got no response');
  if (tookMs > limitMs) findings.push(`took ${Math.round(tookMs)} of ${limitMs} ms`);
  return findings.map(
    (finding) => `${marker} (${httpStatus} ${code}, billed ${billedTimes} times): ${finding}`,
  );
}

function byOperation(reads: readonly ObservedRead[]): readonly (readonly ObservedRead[])[] {
  const byId = new Map<string, ObservedRead[]>();
  for (const read of reads) {
    const known = byId.get(read.id);
    if (known === undefined) byId.set(read.id, [read]);
    else known.push(read);
  }
  return [...byId.values()];
}

/** An operation that was reported finished is reported the same to every caller from then on. */
function contradictions(reads: readonly ObservedRead[]): readonly string[] {
  const findings: string[] = [];
  const first = new Map<string, string>();
  let finishedMs = Infinity;
  for (const { state, endMs } of reads) {
    if (state.kind === 'finished') finishedMs = Math.min(finishedMs, endMs);
  }
  for (const { state, by, startMs } of reads) {
    if (state.kind === 'running' && startMs > finishedMs) {
      findings.push(`${by} saw a finished operation running`);
    }
    if (state.kind !== 'finished') continue;
    for (const [aspect, value] of Object.entries(state.aspects)) {
      const known = first.get(aspect) ?? value;
      first.set(aspect, known);
      if (known !== value) findings.push(`${by} saw ${aspect} ${value} after ${known}`);
    }
  }
  return findings.map((finding) => `${reads[0]?.id ?? ''}: ${finding}`);
}

function isLate({ startMs, endMs, limitMs }: ObservedRead): boolean {
  return endMs - startMs > limitMs;
}

function inWords({ startMs, endMs, limitMs, state }: ObservedRead): string {
  return `${state.kind} after ${Math.round(endMs - startMs)} of ${limitMs} ms`;
}
