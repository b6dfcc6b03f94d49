import { setTimeout as sleep } from 'node:timers/promises';
import { createRequest, getRequest, openCell, type Cell } from '../../bench/cell.ts';
import {
  cpuMicroseconds,
  residentKib,
  startRole,
  waitedForCoreMicroseconds,
  type Child,
} from '../../bench/child.ts';
import type { Figure } from '../support/figure.ts';
import type { FlowOrder, Stream } from './flow-order.ts';
import type { FlowResult, Tally } from './flow-observations.ts';
import { areMet, fact, goal, type Check, type Report, type RunOptions } from './report.ts';

const imageBytes = 20_000;
const finished = 200;
/** Of 20 requests. */
const mix = { create: 6, poll: 10, image: 4 } as const;
const loadShare = 0.75;
/** If the gateway waits longer for its core, the run shows the machine and not the gateway. */
const waitedShareMax = 0.15;
/** Closed loops before the one that measures the capacity, in which the engine compiles the code. */
const warmUps = 2;
const overloadFactor = 5;

/** What limits the throughput. */
type Bound = 'cpu' | 'upstream' | 'limit';

/** Creates per second that the upstream accepts where it is the limit; the gateway's own limit is the same. */
const upstreamCreatesPerSecond = 50;

interface Overload {
  readonly result: FlowResult;
  readonly capacity: Tally;
  readonly perSecond: number;
  readonly peakMib: number;
  /** Parts of one core: what the gateway used, and what it waited for. */
  readonly gatewayCpu: number;
  readonly gatewayWaited: number;
  readonly phaseSeconds: readonly number[];
}

/** Open loop at 1×, 5× and 1× of the capacity: goodput, latency of refusals, time to recover (P6). */
export async function showOverload({ isShort }: RunOptions): Promise<Report> {
  const bounds: readonly Bound[] = isShort ? ['cpu', 'limit'] : ['cpu', 'upstream', 'limit'];
  const reports: Report[] = [];
  for (const bound of bounds) reports.push(await overloaded(bound, isShort));
  return {
    checks: reports.flatMap(({ checks }) => checks),
    figures: reports.flatMap(({ figures }) => figures),
  };
}

/** The same with one limit. */
export async function overloaded(bound: Bound, isShort: boolean): Promise<Report> {
  const seconds = isShort ? 3 : 20;
  const cell = await openCell({ imageBytes, ...cellOf(bound) });
  const flow = await startRole('test/load/flow.ts', 1);
  try {
    return reportOf(bound, await measured({ cell, flow, bound, seconds }));
  } finally {
    await flow.stop();
    await cell.stop();
  }
}

function cellOf(bound: Bound) {
  if (bound === 'cpu') return {};
  const upstream = { GENERATES_PER_SECOND_MAX: String(upstreamCreatesPerSecond) };
  if (bound === 'upstream') return { upstream };
  return { settings: { IMAGES_PER_MINUTE_MAX: String(upstreamCreatesPerSecond * 60) }, upstream };
}

async function measured(parts: {
  readonly cell: Cell;
  readonly flow: Child;
  readonly bound: Bound;
  readonly seconds: number;
}): Promise<Overload> {
  const { cell, flow, bound, seconds } = parts;
  const ids = await finishedOperations(cell, bound === 'cpu' ? finished : 20);
  const requests = {
    create: [createRequest],
    poll: ids.map((id) => getRequest(`/operations/${id}`)),
    image: ids.map((id) => getRequest(`/operations/${id}/image`)),
  };
  const streams = (perSecond: (name: keyof typeof mix) => readonly number[]): Stream[] =>
    (['create', 'poll', 'image'] as const).map((name) => ({
      name,
      requests: requests[name],
      perSecond: perSecond(name),
    }));
  const origins = [cell.origin];
  const closed = {
    ...{ origins, connectionsMax: 64, closedLoop: 32, phaseSeconds: [seconds / 4] },
    streams: streams((name) => [mix[name]]),
  } satisfies FlowOrder;
  const rounds: FlowResult[] = [];
  for (let round = 0; round < warmUps + 1; round += 1) rounds.push(await flow.ask(closed));
  const capacity = bearing(bound, rounds.at(-1)?.phases[0] ?? {});
  const creates = bound === 'cpu' ? 0 : upstreamCreatesPerSecond * loadShare;
  const perSecond =
    bound === 'cpu'
      ? (capacity.good / (seconds / 4)) * loadShare
      : (creates * (mix.create + mix.poll + mix.image)) / mix.create;
  const phaseSeconds = [seconds, seconds, seconds];
  const shares = mix.create + mix.poll + mix.image;
  const order: FlowOrder = {
    ...{ origins, connectionsMax: 2_000, phaseSeconds },
    streams: streams((name) =>
      [1, overloadFactor, 1].map(
        // Where only creates are limited, only creates exceed the limit: reads go on.
        (factor) =>
          ((bound === 'cpu' || name === 'create' ? factor : 1) * perSecond * mix[name]) / shares,
      ),
    ),
  };
  const cpuBeforeUs = cpuMicroseconds(cell.gateway.pid);
  const waitedBeforeUs = waitedForCoreMicroseconds(cell.gateway.pid);
  const beganMs = performance.now();
  const result = await flow.ask<FlowResult>(order);
  const elapsedUs = (performance.now() - beganMs) * 1_000;
  const waitedUs = waitedForCoreMicroseconds(cell.gateway.pid) - waitedBeforeUs;
  const cpuUs = cpuMicroseconds(cell.gateway.pid) - cpuBeforeUs;
  return {
    ...{ result, capacity, perSecond, phaseSeconds },
    peakMib: residentKib(cell.gateway.pid).peak / 1_024,
    gatewayCpu: cpuUs / elapsedUs,
    gatewayWaited: waitedUs / elapsedUs,
  };
}

/** Ids of finished operations whose images are in memory. */
async function finishedOperations({ origin }: Cell, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let tries = 0; ids.length < count && tries < 10 * count; tries += 1) {
    const response = await fetch(`${origin}/v1/images`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'image/*' },
      body: JSON.stringify({ prompt: 'a red cat in a spaceship' }),
    });
    await response.arrayBuffer();
    const id = response.headers.get('x-operation-id');
    if (response.ok && id !== null) ids.push(id);
    // Refused by a busy machine, or by the limit under test.
    else await sleep(100);
  }
  return ids;
}

/** The requests that are overloaded: all, or only creates. */
function bearing(bound: Bound, phase: Readonly<Record<string, Tally>>): Tally {
  const { create } = phase;
  return total(bound === 'cpu' || create === undefined ? phase : { create });
}

function total(tallies: Readonly<Record<string, Tally>>): Tally {
  const all = Object.values(tallies);
  const sum = (pick: (tally: Tally) => number) => all.reduce((of, tally) => of + pick(tally), 0);
  const most = (pick: (tally: Tally) => number) => Math.max(0, ...all.map(pick));
  return {
    due: sum(({ due }) => due),
    good: sum(({ good }) => good),
    late: sum(({ late }) => late),
    refused: sum(({ refused }) => refused),
    failed: sum(({ failed }) => failed),
    gaveUp: sum(({ gaveUp }) => gaveUp),
    goodP50Ms: most(({ goodP50Ms }) => goodP50Ms),
    goodP99Ms: most(({ goodP99Ms }) => goodP99Ms),
    refusedP99Ms: most(({ refusedP99Ms }) => refusedP99Ms),
  };
}

/** Seconds of the last phase until goodput and latency are as in the first phase, and stay so. */
function secondsUntilBack({ result, phaseSeconds, perSecond }: Overload): number {
  const [first = 0, second = 0] = phaseSeconds;
  const calm = result.seconds.slice(1, first);
  const calmP99Ms = Math.max(...calm.map(({ goodP99Ms }) => goodP99Ms));
  const calmGood = Math.min(...calm.map(({ good }) => good));
  const after = result.seconds.slice(first + second, first + second + (phaseSeconds[2] ?? 0));
  const isBack = ({ good, goodP99Ms }: Tally) =>
    good >= Math.min(calmGood, 0.95 * perSecond) * 0.95 && goodP99Ms <= 2 * calmP99Ms + 50;
  const late = after.findLastIndex((tally) => !isBack(tally));
  return late + 1;
}

const names = {
  cpu: 'the gateway’s core is the limit',
  upstream: 'the upstream is the limit',
  limit: 'the gateway’s limit of images a minute is the limit',
} as const;

function reportOf(bound: Bound, run: Overload): Report {
  const { result, capacity, phaseSeconds } = run;
  const [calm, storm, after] = result.phases.map((phase) => bearing(bound, phase));
  if (calm === undefined || storm === undefined || after === undefined)
    throw new Error('three phases were asked for');
  const [seconds = 1] = phaseSeconds;
  const capacityPerSecond = capacity.good / (seconds / 4);
  const peak = Math.max(capacityPerSecond, calm.good / seconds, after.good / seconds);
  const share = storm.good / seconds / peak;
  const back = secondsUntilBack(run);
  const isMachine = run.gatewayWaited < waitedShareMax;
  const isGenerator = result.tickLateP99Ms < 100 && result.cpuShare < 0.9;
  const name = names[bound];
  const machine = `the gateway had its core ${(run.gatewayCpu * 100).toFixed(0)} % of the time, and waited for it ${(run.gatewayWaited * 100).toFixed(0)} %`;
  const checks: Check[] = [
    fact(`${name}: every request gets a response`, areAllAnswered(run), inWords(result)),
    fact(
      `${name}: memory stays bounded`,
      run.peakMib < 768,
      `peak RSS ${run.peakMib.toFixed(0)} MiB`,
    ),
    goal(`${name}: the machine gave the gateway its core`, isMachine, machine),
    goal(
      `${name}: the generator kept up`,
      isGenerator,
      `its clock was ${result.tickLateP99Ms.toFixed(0)} ms late (p99), ${(result.cpuShare * 100).toFixed(0)} % of a core`,
    ),
    goal(
      `${name}: goodput at ${overloadFactor}× is at least 90 % of its peak`,
      share >= 0.9,
      `${(share * 100).toFixed(0)} % (${(storm.good / seconds).toFixed(0)} of ${peak.toFixed(0)} per second; offered ${(storm.due / seconds).toFixed(0)})`,
    ),
    goal(
      `${name}: refusals within 50 ms (p99)`,
      storm.refused > 0 && storm.refusedP99Ms < 50,
      `${storm.refusedP99Ms} ms of ${storm.refused}`,
    ),
    goal(`${name}: back within 5 s`, back <= 5, `${back} s`),
  ];
  const seen = `${name}: ${(share * 100).toFixed(0)} % of peak goodput (${(storm.good / seconds).toFixed(0)} of ${peak.toFixed(0)} per second, ${(storm.due / seconds).toFixed(0)} offered), ${storm.refused} refusals, p99 ${storm.refusedP99Ms} ms; ${storm.gaveUp} got no connection, ${storm.late} no response within 2 s, ${storm.failed} connections broke; back after ${back} s; ${machine}`;
  const figure: Figure = {
    promise: 'P6',
    part: bound,
    says: `Goodput under overload, where ${name}`,
    goal: 'open loop 1× → 5× → 1×: ≥ 90 % of peak goodput, refusal p99 < 50 ms, recovered ≤ 5 s after',
    seen,
    isMet: areMet(checks),
    by: 'npm run load -- overload',
  };
  // If the generator or the machine was the limit, there is no figure.
  return { checks, figures: isGenerator && isMachine ? [figure] : [] };
}

/** Whether no request hangs, and every response is good or a refusal (broken connections aside). */
function areAllAnswered({ result }: Overload): boolean {
  const answered = Object.keys(result.statuses).map(Number);
  return (
    result.unanswered === 0 && answered.every((status) => [0, 200, 202, 429, 503].includes(status))
  );
}

function inWords({ phases, statuses, unanswered }: FlowResult): string {
  const all = phases.map((phase, index) => {
    const { due, good, late, refused, failed, gaveUp, goodP99Ms } = total(phase);
    return `${['1×', '5×', '1×'][index]}: ${due} due, ${good} good (p99 ${goodP99Ms} ms), ${refused} refused, ${late} late, ${failed} broke, ${gaveUp} gave up`;
  });
  return `${all.join('; ')}; ${JSON.stringify(statuses)}, ${unanswered} unanswered`;
}
