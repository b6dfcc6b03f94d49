/**
 * What a create was told of the money. `untold`: it failed in a form that has
 * no word for it (the vendor's own); `nothing`: no answer came at all.
 */
export type Spend = 'accepted' | 'not_started' | 'unknown' | 'untold' | 'nothing';

/** One create and its answer. */
export interface CreateEntry {
  /** Its prompt, which no other create has: tells it apart upstream. */
  readonly marker: string;
  readonly httpStatus: number;
  readonly spend: Spend;
  readonly code: string;
  readonly id: string | undefined;
  readonly tookMs: number;
  /** How long it may take at most. */
  readonly limitMs: number;
}

/** What somebody was told of an operation, at one moment. */
export interface Telling {
  readonly id: string;
  /** Who: a waiter, a poller, an event stream. */
  readonly by: string;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly limitMs: number;
  readonly told:
    | { readonly kind: 'running' }
    /** The outcome by its aspects: status, seed, number of bytes, their hash, reason. */
    | { readonly kind: 'finished'; readonly aspects: Readonly<Record<string, string>> }
    | { readonly kind: 'refused'; readonly httpStatus: number; readonly code: string };
}

/** Images that the upstream began to make, by marker. */
export type Spent = ReadonlyMap<string, number>;

/** Everything that callers were told, in the order of the answers. */
export class History {
  readonly creates: CreateEntry[] = [];
  readonly tellings: Telling[] = [];
  /** What is wrong by itself, whatever the upstream's books say. */
  readonly wrong: string[] = [];

  /** Every disagreement with the upstream's books and within itself, in words. */
  faults(spent: Spent): readonly string[] {
    return [
      ...this.wrong,
      ...this.creates.flatMap((create) => dishonest(create, spent.get(create.marker) ?? 0)),
      ...byOperation(this.tellings).flatMap(contradictions),
      ...this.tellings.filter(isLate).map((each) => `${each.by} was told late: ${inWords(each)}`),
    ];
  }
}

/** P2 and P3: what the caller was told of the money is true, and it was spent once at most. */
function dishonest(create: CreateEntry, spent: number): readonly string[] {
  const { marker, spend, code, httpStatus, tookMs, limitMs } = create;
  const faults: string[] = [];
  if (spent > 1) faults.push(`spent ${spent} times`);
  if (spend === 'not_started' && spent > 0) faults.push('was told that nothing was spent');
  if (spend === 'accepted' && spent === 0) faults.push('was told of an image that is not made');
  if (spend === 'nothing') faults.push('got no answer');
  if (tookMs > limitMs) faults.push(`took ${Math.round(tookMs)} of ${limitMs} ms`);
  return faults.map((fault) => `${marker} (${httpStatus} ${code}, spent ${spent}): ${fault}`);
}

function byOperation(tellings: readonly Telling[]): readonly (readonly Telling[])[] {
  const byId = new Map<string, Telling[]>();
  for (const telling of tellings) {
    const own = byId.get(telling.id);
    if (own === undefined) byId.set(telling.id, [telling]);
    else own.push(telling);
  }
  return [...byId.values()];
}

/** What is told first of a finished operation is told for ever, to everybody. */
function contradictions(tellings: readonly Telling[]): readonly string[] {
  const faults: string[] = [];
  const first = new Map<string, string>();
  let finishedMs = Infinity;
  for (const { told, endedMs } of tellings) {
    if (told.kind === 'finished') finishedMs = Math.min(finishedMs, endedMs);
  }
  for (const telling of tellings) {
    const { told, by, beganMs } = telling;
    if (told.kind === 'running' && beganMs > finishedMs) {
      faults.push(`${by} was told that a finished operation is running`);
    }
    if (told.kind !== 'finished') continue;
    for (const [aspect, value] of Object.entries(told.aspects)) {
      const known = first.get(aspect) ?? value;
      first.set(aspect, known);
      if (known !== value) faults.push(`${by} was told ${aspect} ${value} after ${known}`);
    }
  }
  return faults.map((fault) => `${tellings[0]?.id ?? ''}: ${fault}`);
}

function isLate({ beganMs, endedMs, limitMs }: Telling): boolean {
  return endedMs - beganMs > limitMs;
}

function inWords({ beganMs, endedMs, limitMs, told }: Telling): string {
  return `${told.kind} after ${Math.round(endedMs - beganMs)} of ${limitMs} ms`;
}
