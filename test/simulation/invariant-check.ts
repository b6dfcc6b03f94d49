import type { Attempt, Wish } from './simulated-caller.ts';
import { simulatedIds, skewMsMax } from './simulated-gateway.ts';
import type { Bill } from './simulated-upstream.ts';

export interface Books {
  readonly wishes: readonly Wish[];
  readonly attempts: readonly Attempt[];
  /** What each wish was told when everything was well again. */
  readonly last: ReadonlyMap<Wish, Attempt>;
  readonly bills: readonly Bill[];
}

/** Compares the upstream's bills with what callers were told. @returns Every disagreement, in words. */
export function faultsOf(books: Books): readonly string[] {
  return [
    ...books.attempts.flatMap((attempt) => dishonest(attempt, books)),
    ...books.wishes.flatMap((wish) => unsound(wish, books)),
    ...overLimits(books),
  ];
}

/** P3: who was told that nothing was spent spent nothing, and who was told of an operation has one. */
function dishonest({ name, told, wish }: Attempt, { bills }: Books): readonly string[] {
  const own = bills.filter(({ attempt }) => attempt === name);
  const faults: string[] = [];
  if (own.length > 1) faults.push(`${name} was sent ${own.length} times`);
  if (told.kind === 'not_started' && own.length > 0) {
    faults.push(`${name} was told that nothing was spent (${told.reason}), and was billed`);
  }
  if (told.kind === 'accepted') {
    const upstreamId = upstreamIdOf(told.id, wish);
    const bill = bills.find((other) => other.upstreamId === upstreamId);
    if (bill === undefined) faults.push(`${name} was accepted, and never billed`);
    else if (bill.prompt !== wish.prompt) faults.push(`${name} got the image of another request`);
    if (told.isReplay && own.length > 0) faults.push(`${name} was replayed, and billed as well`);
  }
  return faults;
}

/** P1: one key, one bill; one operation; and in the end a definite answer. */
function unsound(wish: Wish, { attempts, bills, last }: Books): readonly string[] {
  if (wish.key === undefined) return [];
  const faults: string[] = [];
  const billed = bills.filter(({ prompt }) => prompt === wish.prompt).length;
  if (billed > 1) faults.push(`${wish.name} was paid ${billed} times`);
  const ids = attempts.flatMap(({ wish: other, told }) =>
    other === wish && told.kind === 'accepted' ? [upstreamIdOf(told.id, wish)] : [],
  );
  if (new Set(ids).size > 1) faults.push(`${wish.name} stands for ${ids.join(' and ')}`);
  const told = last.get(wish)?.told;
  const isDefinite =
    told?.kind === 'accepted' ||
    (told !== undefined && 'reason' in told && definite.has(told.reason));
  if (!isDefinite) faults.push(`${wish.name} has no definite end: ${JSON.stringify(told)}`);
  if (told?.kind === 'accepted' && billed !== 1) {
    faults.push(`${wish.name} was accepted, and billed ${billed} times`);
  }
  return faults;
}

/** Answers that asking again would not change. */
const definite = new Set(['outcome_unknown', 'idempotency_key_reused', 'rate_limited']);

/** Limits of a day hold, whoever asked where. */
function overLimits({ wishes, bills }: Books): readonly string[] {
  const subjects = new Set(wishes.map(({ subject }) => subject));
  return [...subjects].flatMap((subject) => {
    const own = wishes.filter((wish) => wish.subject === subject);
    const limit = own[0]?.imagesPerDayMax;
    if (limit === undefined || bills.length === 0) return [];
    const prompts = new Set(own.map(({ prompt }) => prompt));
    const spent = bills.filter(({ prompt }) => prompts.has(prompt));
    const times = bills.map(({ atMs }) => atMs);
    // A gateway whose clock is wrong may count an image to the day before or after.
    const dayOf = (atMs: number) => Math.floor(atMs / 86_400_000);
    const days = 1 + dayOf(Math.max(...times) + skewMsMax) - dayOf(Math.min(...times) - skewMsMax);
    const allowed = limit * days;
    return spent.length > allowed ? [`${subject} had ${spent.length} of ${allowed} images`] : [];
  });
}

function upstreamIdOf(id: string, wish: Wish): string | undefined {
  return simulatedIds.open(id, wish.subject)?.upstreamId;
}
