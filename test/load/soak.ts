import { setTimeout as sleep } from 'node:timers/promises';
import { createRequest, getRequest, openCell, type Cell } from '../../bench/cell.ts';
import {
  openFiles,
  residentKib,
  startRole,
  type Child,
  type ProbeReport,
} from '../../bench/child.ts';
import type { CrowdResult, JoinOrder } from './crowd.ts';
import type { FlowOrder } from './flow-order.ts';
import type { FlowResult } from './flow-observations.ts';
import { neverBusy, fact, goal, type Check, type Report, type RunOptions } from './report.ts';

const imageBytes = 50_000;
/** Small limits, so that caches are full within the first minutes. */
const bounds = { RESULT_CACHE_BYTES_MAX: '1048576', OPERATIONS_TRACKED_MAX: '2000', ...neverBusy };
const perSecond = { create: 20, poll: 150, inline: 10, image: 30 } as const;
const waitedFor = 10;
const waitersPerOperation = 10;
const shortSeconds = 12;
/** Handles of a gateway without connections. */
const idleHandlesMax = 10;
/** Part of the slices, at the start, in which caches fill. */
const settlingShare = 0.25;

/** One slice of load, and the state of the gateway after it. */
interface Slice {
  readonly minutes: number;
  readonly heapMib: number;
  readonly residentMib: number;
  readonly files: number;
  readonly handles: number;
  readonly stallMs: number;
  readonly p99Ms: number;
  /** Broken, wrong or missing responses. */
  readonly lost: number;
  /** 429 and 503, because the machine was busy. */
  readonly refused: number;
  readonly good: number;
}

/** A mixed load over a long time, in which nothing may grow. */
export async function showSoak({ isShort, minutes }: RunOptions): Promise<Report> {
  const sliceSeconds = isShort ? 3 : 60;
  const slices = isShort ? shortSeconds / sliceSeconds : Math.max(4, Math.round(minutes));
  const cell = await openCell({
    ...{ imageBytes, settings: bounds, hasProbe: true },
    latencyMs: isShort ? [300, 900] : [2_000, 8_000],
  });
  const flow = await startRole('test/load/flow.ts', 1);
  const crowd = await startRole('test/load/crowd.ts', 1);
  try {
    const seen: Slice[] = [];
    for (let slice = 1; slice <= slices; slice += 1) {
      const result = await soaked({ cell, flow, crowd }, sliceSeconds);
      seen.push({ ...result, minutes: (slice * sliceSeconds) / 60 });
      if (!isShort) process.stdout.write(`  ${inWords(seen.at(-1)!)}\n`);
    }
    return reportOf(seen, { isShort });
  } finally {
    await Promise.all([flow.stop(), crowd.stop()]);
    await cell.stop();
  }
}

async function soaked(
  { cell, flow, crowd }: { readonly cell: Cell; readonly flow: Child; readonly crowd: Child },
  seconds: number,
): Promise<Omit<Slice, 'minutes'>> {
  const ids = await cell.create(waitedFor, 1);
  const join: JoinOrder = {
    join: { origin: cell.origin, ids, perOperation: waitersPerOperation, eventsShare: 0.3 },
  };
  await crowd.ask(join);
  const served = await crowd.ask<CrowdResult>({ settleUntilMs: Date.now() + 60_000 });
  const get = (suffix: string) => ids.map((id) => getRequest(`/operations/${id}${suffix}`));
  const order: FlowOrder = {
    origins: [cell.origin],
    connectionsMax: 200,
    phaseSeconds: [seconds],
    streams: [
      { name: 'create', requests: [createRequest], perSecond: [perSecond.create] },
      { name: 'poll', requests: get(''), perSecond: [perSecond.poll] },
      { name: 'inline', requests: get('?include=image'), perSecond: [perSecond.inline] },
      { name: 'image', requests: get('/image'), perSecond: [perSecond.image] },
    ],
  };
  const { phases, unanswered } = await flow.ask<FlowResult>(order);
  const tallies = Object.values(phases[0] ?? {});
  const sum = (pick: (tally: (typeof tallies)[number]) => number) =>
    tallies.reduce((of, tally) => of + pick(tally), 0);
  const probe = await idle(cell);
  return {
    heapMib: (probe.heapUsed + probe.external) / 1_048_576,
    residentMib: residentKib(cell.gateway.pid).now / 1_024,
    files: openFiles(cell.gateway.pid),
    handles: probe.handles,
    stallMs: probe.stallMs,
    p99Ms: Math.max(...tallies.map(({ goodP99Ms }) => goodP99Ms)),
    lost:
      unanswered +
      served.wrong +
      (waitedFor * waitersPerOperation - served.served.length) +
      sum(({ failed }) => failed),
    refused: sum(({ refused }) => refused),
    good: sum(({ good }) => good),
  };
}

/** The state of the gateway when it is idle, or after 10 s. */
async function idle({ gateway }: Cell): Promise<ProbeReport> {
  for (let looks = 0; ; looks += 1) {
    const probe = await gateway.ask<ProbeReport>({ settle: true });
    if (probe.handles <= idleHandlesMax || looks === 20) return probe;
    await sleep(500);
  }
}

function inWords({
  minutes,
  heapMib,
  residentMib,
  files,
  handles,
  stallMs,
  p99Ms,
  lost,
  refused,
}: Slice) {
  const memory = `heap ${heapMib.toFixed(1)} MiB, RSS ${residentMib.toFixed(0)} MiB`;
  return `${minutes.toFixed(1)} min: ${memory}, ${files} files, ${handles} handles, stall ${stallMs.toFixed(0)} ms, p99 ${p99Ms} ms, ${lost} lost, ${refused} refused`;
}

/** Slope of the straight line nearest to the points (least squares). */
function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const mean = (pick: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / points.length;
  const meanX = mean(({ x }) => x);
  const meanY = mean(({ y }) => y);
  return (
    mean(({ x, y }) => (x - meanX) * (y - meanY)) /
    Math.max(
      mean(({ x }) => (x - meanX) ** 2),
      1e-9,
    )
  );
}

function reportOf(slices: readonly Slice[], { isShort }: { readonly isShort: boolean }): Report {
  const later = slices.slice(Math.ceil(slices.length * settlingShare));
  const first = later[0]!;
  const last = later.at(-1)!;
  const perHour = (pick: (slice: Slice) => number) =>
    60 * slopeOf(later.map((slice) => ({ x: slice.minutes, y: pick(slice) })));
  const sum = (pick: (slice: Slice) => number) => slices.reduce((of, slice) => of + pick(slice), 0);
  const most = (pick: (slice: Slice) => number) => Math.max(...slices.map(pick));
  const lost = sum((slice) => slice.lost);
  const heap = perHour(({ heapMib }) => heapMib);
  const resident = perHour(({ residentMib }) => residentMib);
  const trend = (value: number) => `${value > 0 ? '+' : ''}${value.toFixed(1)} MiB per hour`;
  const checks: Check[] = [
    fact(
      'nothing is lost',
      lost === 0,
      `${lost} lost and ${sum(({ refused }) => refused)} refused of ${sum(({ good, refused }) => good + refused) + lost}`,
    ),
    fact(
      'sockets and files are closed',
      last.files <= first.files + 4,
      `${first.files} → ${last.files} files, ${first.handles} → ${last.handles} handles`,
    ),
    fact(
      'memory stays bounded',
      last.heapMib < first.heapMib + 32 && most(({ residentMib }) => residentMib) < 512,
      `heap ${first.heapMib.toFixed(1)} → ${last.heapMib.toFixed(1)} MiB, RSS at most ${most(({ residentMib }) => residentMib).toFixed(0)} MiB`,
    ),
    goal('the heap does not grow', heap < 5, trend(heap)),
    goal('RSS does not grow', resident < 20, trend(resident)),
    goal(
      'the loop does not fall behind',
      most(({ stallMs }) => stallMs) < 500,
      `longest stall ${most(({ stallMs }) => stallMs).toFixed(0)} ms`,
    ),
  ];
  if (isShort) return { checks: checks.filter(({ isFact }) => isFact), figures: [] };
  return { checks, figures: [] };
}
