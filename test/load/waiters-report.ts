import { fact, goal, type Check, type Report } from './report.ts';
import { quantileOf } from './window.ts';

/** Waiters of each operation. */
export const perOperation = 20;
/** 0.8 × the vendor's 50 per second. */
const readsPerSecondMax = 40;

export interface Sizes {
  readonly operations: number;
  /** Operations that start together end within this range. */
  readonly atOnceMs: readonly [min: number, max: number];
  /** Operations that start one after the other within `startMs` take `takesMs` ± 2 %. */
  readonly inTurnMs: { readonly startMs: number; readonly takesMs: number };
}

/** The cost of waiters, and what is left when they have gone. */
export interface Stay {
  readonly kibPerWaiter: number;
  readonly heapKibPerWaiter: number;
  readonly socketsLeft: number;
  readonly freedShare: number;
  readonly getsAfter: number;
}

/** How late waiters got their results, and how many Gets that took. */
export interface Lateness {
  readonly waiters: number;
  readonly served: number;
  readonly wrong: string;
  /** From the end of the operation, or from the request of the waiter if that was later. */
  readonly afterEndMs: readonly number[];
  /** From the moment the gateway could know. */
  readonly afterKnownMs: readonly number[];
  readonly getsInSecondMax: number;
  readonly gets: number;
  readonly seconds: number;
  readonly getsAtOnceMax: number;
}

function inWords(late: Lateness): string {
  const { waiters, served, wrong, afterEndMs, afterKnownMs } = late;
  const ms = (values: readonly number[]) =>
    [0.5, 0.99, 1].map((share) => quantileOf(values, share).toFixed(0)).join(', ');
  return `${served} of ${waiters} got the result${wrong}, ${ms(afterEndMs)} ms after the end (p50, p99, last), ${ms(afterKnownMs)} ms after the gateway knew; ${late.gets} Gets, at most ${late.getsInSecondMax} in a second and ${late.getsAtOnceMax} of one operation at once`;
}

interface Measured {
  readonly stay: Stay;
  readonly atOnce: Lateness;
  readonly inTurn: Lateness;
}

/** The report on the promises P9 and P10. */
export function waitersReport(sizes: Sizes, measured: Measured): Report {
  const facts = factsOf(measured);
  return { checks: checksOf(measured, facts), figures: figuresOf(sizes, measured, facts) };
}

/** What both the checks and the figures are made from. */
function factsOf({ stay, atOnce, inTurn }: Measured) {
  const isInBudget = ({ getsInSecondMax }: Lateness) => getsInSecondMax <= readsPerSecondMax;
  const isSingle = Math.max(atOnce.getsAtOnceMax, inTurn.getsAtOnceMax) <= 1;
  const areServed = [atOnce, inTurn].every(
    ({ waiters, served, wrong }) => served === waiters && wrong === '',
  );
  const lastEndMs = quantileOf(inTurn.afterEndMs, 1);
  const knownMs = Math.max(quantileOf(atOnce.afterKnownMs, 1), quantileOf(inTurn.afterKnownMs, 1));
  const cost = `${stay.kibPerWaiter.toFixed(1)} KiB a waiter (heap ${stay.heapKibPerWaiter.toFixed(1)})`;
  const left = `${stay.socketsLeft} sockets, ${stay.getsAfter} Gets in 3 s, ${(stay.freedShare * 100).toFixed(0)} % of the heap they took is free again`;
  const isGone = stay.socketsLeft === 0 && stay.getsAfter === 0 && stay.freedShare > 0.8;
  return { isInBudget, isSingle, areServed, lastEndMs, knownMs, cost, left, isGone };
}

type Facts = ReturnType<typeof factsOf>;

function checksOf(
  { stay, atOnce, inTurn }: Measured,
  { isInBudget, isSingle, areServed, lastEndMs, knownMs, cost, left, isGone }: Facts,
): readonly Check[] {
  return [
    fact(
      'every waiter gets the right result',
      areServed,
      `at once: ${inWords(atOnce)}; in turn: ${inWords(inTurn)}`,
    ),
    fact(
      'one Get of an operation in flight',
      isSingle,
      `${atOnce.getsAtOnceMax} and ${inTurn.getsAtOnceMax}`,
    ),
    fact(
      'never more Gets than 40 for each second since the start',
      [atOnce, inTurn].every(({ gets, seconds }) => gets <= readsPerSecondMax * (seconds + 1)),
      `${atOnce.gets} in ${atOnce.seconds.toFixed(0)} s and ${inTurn.gets} in ${inTurn.seconds.toFixed(0)} s`,
    ),
    fact('nothing is left when the waiters have gone', isGone, left),
    goal(
      'at most 40 Gets in any second',
      isInBudget(atOnce) && isInBudget(inTurn),
      `${atOnce.getsInSecondMax} and ${inTurn.getsInSecondMax}`,
    ),
    goal(
      'results within 2 s of the end, where the ends are spread',
      lastEndMs <= 2_000,
      `${lastEndMs.toFixed(0)} ms`,
    ),
    goal('at most 20 KiB a waiter', stay.kibPerWaiter <= 20, cost),
    goal(
      'results within 1 s of when the gateway knows',
      knownMs <= 1_000,
      `${knownMs.toFixed(0)} ms`,
    ),
  ];
}

function figuresOf(
  sizes: Sizes,
  { stay, atOnce, inTurn }: Measured,
  { isInBudget, isSingle, areServed, lastEndMs, knownMs, cost, left, isGone }: Facts,
): Report['figures'] {
  const waiters = sizes.operations * perOperation;
  const [minMs, maxMs] = sizes.atOnceMs;
  const { startMs, takesMs } = sizes.inTurnMs;
  const by = 'npm run load -- waiters';
  return [
    {
      promise: 'P9',
      part: 'in-turn',
      says: 'Polling within the budget: one Get in flight per operation and process',
      goal: '10,000 waiters on 500 operations: ≤ 40 Get/s, every waiter has its response ≤ 2 s after done',
      seen: `operations of ${takesMs / 1_000} s ± 2 % started over ${startMs / 1_000} s: ${inWords(inTurn)}`,
      isMet: areServed && isSingle && isInBudget(inTurn) && lastEndMs <= 2_000,
      by,
    },
    {
      promise: 'P9',
      part: 'at-once',
      says: '… when all 500 start in one moment, where 40 reads per second cannot be enough: they allow a read of 80 operations every 2 s',
      goal: '≤ 40 Get/s, one Get in flight, every waiter has its response ≤ 2 s after done',
      seen: `operations of ${minMs / 1_000} … ${maxMs / 1_000} s: ${inWords(atOnce)}`,
      isMet:
        areServed && isSingle && isInBudget(atOnce) && quantileOf(atOnce.afterEndMs, 1) <= 2_000,
      by,
    },
    {
      promise: 'P10',
      says: 'Waiting is cheap',
      goal: '10,000 waiters ≤ 20 KiB each, all have their response ≤ 1 s after the event, 0 left after they disconnect',
      seen: `${waiters} waiters, a quarter on event streams: ${cost}, results ≤ ${knownMs.toFixed(0)} ms after the gateway knew; left: ${left}`,
      isMet: areServed && isGone && stay.kibPerWaiter <= 20 && knownMs <= 1_000,
      by,
    },
  ];
}
