import type { EmbeddedRound } from './embedded.ts';
import type { RowSample } from './measure-row.ts';
import type { LifeCost, StartResult } from './other-rows.ts';
import type { RequestRow } from './request-rows.ts';
import type { WaitersResult } from './waiters.ts';

/** One row of the page. */
export interface Line {
  readonly row: string;
  readonly figure: string;
  readonly baseline: string;
  readonly ratio: string;
  readonly goal: string;
  readonly verdict: 'met' | 'missed' | 'no goal';
}

const baselineNames = {
  json: 'bare Fastify, JSON',
  image: 'bare Fastify, the same bytes',
  'post and unary call': 'bare Fastify POST + bare grpc-js call',
} as const;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the rounds, with the least and the greatest. */
function spread(values: readonly number[], digits: number): string {
  const text = (value: number) => value.toFixed(digits);
  if (values.length === 1) return text(median(values));
  return `${text(median(values))} (${text(Math.min(...values))} … ${text(Math.max(...values))})`;
}

export interface Round {
  readonly ours: RowSample;
  readonly baseUs: number;
}

/** What the rounds of a row say together: medians, and the ratio within each round. */
export function requestLine(row: RequestRow, rounds: readonly Round[]): Line {
  const of = (pick: (sample: RowSample) => number) => median(rounds.map(({ ours }) => pick(ours)));
  const ratios = rounds.map(({ ours, baseUs }) => ours.cpuUs / baseUs);
  const cpuUs = of((sample) => sample.cpuUs);
  const { cpuUsMax, ratioMax } = row.goal;
  const isMet =
    (cpuUsMax === undefined || cpuUs <= cpuUsMax) &&
    (ratioMax === undefined || median(ratios) <= ratioMax);
  const goals = [
    ...(cpuUsMax === undefined ? [] : [`≤ ${cpuUsMax} µs`]),
    ...(ratioMax === undefined ? [] : [`ratio ≤ ${ratioMax}`]),
  ];
  const figures = [
    `${cpuUs.toFixed(0)} µs`,
    `${of((sample) => sample.perSecond).toFixed(0)} a second, p50 ${of((sample) => sample.p50Ms).toFixed(1)} ms, p99 ${of((sample) => sample.p99Ms).toFixed(1)} ms`,
    `${of((sample) => sample.upstreamCalls).toFixed(2)} upstream calls`,
    ...(row.cell.hasProbe === true
      ? [`${of((sample) => sample.markCompacts ?? 0).toFixed(0)} mark-compacts per 1,000`]
      : []),
    `peak ${of((sample) => sample.peakMib).toFixed(0)} MiB`,
  ];
  return {
    row: row.name,
    figure: figures.join('; '),
    baseline: `${baselineNames[row.baseline]}: ${median(rounds.map(({ baseUs }) => baseUs)).toFixed(0)} µs`,
    ratio: spread(ratios, 2),
    goal: goals.length === 0 ? '–' : goals.join(', '),
    verdict: goals.length === 0 ? 'no goal' : isMet ? 'met' : 'missed',
  };
}

export function lifeLine(
  rounds: readonly { readonly ours: LifeCost; readonly plain: LifeCost }[],
): Line {
  const cpu = rounds.map(({ ours, plain }) => ours.cpuMs / plain.cpuMs);
  const calls = rounds.map(({ ours, plain }) => ours.upstreamCalls / plain.upstreamCalls);
  const cost = (costs: readonly LifeCost[]) =>
    `${median(costs.map(({ cpuMs }) => cpuMs)).toFixed(1)} ms, ${median(costs.map(({ upstreamCalls }) => upstreamCalls)).toFixed(1)} upstream calls`;
  return {
    row: 'whole life: 1 creator, 10 viewers',
    figure: cost(rounds.map(({ ours }) => ours)),
    baseline: `plain transcoder: ${cost(rounds.map(({ plain }) => plain))}`,
    ratio: `CPU ${spread(cpu, 2)}, calls ${spread(calls, 2)}`,
    goal: 'CPU ≤ 0.2, calls ≤ 0.1',
    verdict: median(cpu) <= 0.2 && median(calls) <= 0.1 ? 'met' : 'missed',
  };
}

export function waitersLine(waiters: number, name: string, result: WaitersResult): Line {
  const { kibPerWaiter, lateP50Ms, lateP99Ms, getsPerOperation, cpuUsPerWaiter } = result;
  const isMet = kibPerWaiter <= 20 && lateP50Ms <= 150 && lateP99Ms <= 500 && getsPerOperation <= 4;
  return {
    row: `${waiters} waiters, operations of ${name}`,
    figure: `${kibPerWaiter.toFixed(1)} KiB and ${cpuUsPerWaiter.toFixed(0)} µs a waiter; response ${lateP50Ms.toFixed(0)} ms (p50), ${lateP99Ms.toFixed(0)} ms (p99) late; ${getsPerOperation.toFixed(1)} Gets an operation`,
    baseline: '–',
    ratio: '–',
    goal: '≤ 20 KiB, ≤ 150 ms, ≤ 500 ms, ≤ 4 Gets',
    verdict: isMet ? 'met' : 'missed',
  };
}

export function stallLine(stallsMs: readonly number[]): Line {
  return {
    row: 'base64 JSON of 16 MB, longest stall of the loop',
    figure: `${spread(stallsMs, 1)} ms`,
    baseline: '–',
    ratio: '–',
    goal: '≤ 10 ms',
    verdict: median(stallsMs) <= 10 ? 'met' : 'missed',
  };
}

export function embeddedLine(name: string, rounds: readonly EmbeddedRound[]): Line {
  const ratios = rounds.map(({ ours, baseUs }) => ours.cpuUs / baseUs);
  const of = (pick: (round: EmbeddedRound) => number) => median(rounds.map(pick));
  return {
    row: `create with the embedded service, ${name}`,
    figure: `${of(({ ours }) => ours.cpuUs).toFixed(0)} µs with all threads; ${of(({ ours }) => ours.perSecond).toFixed(0)} a second, p50 ${of(({ ours }) => ours.p50Ms).toFixed(1)} ms, p99 ${of(({ ours }) => ours.p99Ms).toFixed(1)} ms`,
    baseline: `gateway and emulator, which keeps nothing on disk: ${of(({ baseUs }) => baseUs).toFixed(0)} µs`,
    ratio: spread(ratios, 2),
    goal: 'ratio ≤ 1.3',
    verdict: median(ratios) <= 1.3 ? 'met' : 'missed',
  };
}

export function startLine(name: string, rounds: readonly StartResult[]): Line {
  const readyMs = rounds.map((round) => round.readyMs);
  const idleMib = rounds.map((round) => round.idleMib);
  return {
    row: `start, ${name}`,
    figure: `ready after ${spread(readyMs, 0)} ms; ${spread(idleMib, 0)} MiB idle`,
    baseline: '–',
    ratio: '–',
    goal: '≤ 600 ms, ≤ 110 MiB',
    verdict: median(readyMs) <= 600 && median(idleMib) <= 110 ? 'met' : 'missed',
  };
}
