import { setTimeout as sleep } from 'node:timers/promises';
import { openCell, type Cell } from '../../bench/cell.ts';
import {
  openFiles,
  residentKib,
  startRole,
  type Child,
  type ProbeReport,
} from '../../bench/child.ts';
import type { UpstreamObservations } from '../../bench/upstream.ts';
import type { CrowdResult, JoinOrder } from './crowd.ts';
import { neverBusy, type Report, type RunOptions } from './report.ts';
import {
  perOperation,
  waitersReport,
  type Lateness,
  type Sizes,
  type Stay,
} from './waiters-report.ts';
import { mostInWindow } from './window.ts';

const eventsShare = 0.25;
const taught = 40;
const imageBytes = 2_000;
const hourMs = 3_600_000;

const long: Sizes = {
  operations: 500,
  atOnceMs: [1_000, 10_000],
  inTurnMs: { startMs: 40_000, takesMs: 42_000 },
};
const short: Sizes = {
  operations: 50,
  atOnceMs: [1_000, 4_000],
  inTurnMs: { startMs: 2_500, takesMs: 3_000 },
};

interface Setup {
  readonly cell: Cell;
  readonly crowd: Child;
  readonly sizes: Sizes;
}

/** Thousands of waiters for hundreds of images: their cost, how late their results are, what they leave behind (P9, P10). */
export async function showWaiters({ isShort }: RunOptions): Promise<Report> {
  const sizes = isShort ? short : long;
  const stay = await withSetup(sizes, stayed);
  const inTurn = await withSetup(sizes, servedInTurn);
  const atOnce = await withSetup(sizes, servedAtOnce);
  return waitersReport(sizes, { stay, atOnce, inTurn });
}

/** Runs one part with fresh processes: a gateway that has learned other durations polls at other times. */
async function withSetup<Result>(
  sizes: Sizes,
  show: (setup: Setup) => Promise<Result>,
): Promise<Result> {
  const cell = await openCell({
    imageBytes,
    hasProbe: true,
    settings: { RESULT_READS_PER_SECOND_MAX: '50', ...neverBusy },
    upstream: { GET_DELAY_MS: '20' },
  });
  const crowd = await startRole('test/load/crowd.ts', 1);
  try {
    return await show({ cell, crowd, sizes });
  } finally {
    await crowd.stop();
    await cell.stop();
  }
}

/** Waiters come, stay, and leave before any operation has ended. */
async function stayed({ cell, crowd, sizes }: Setup): Promise<Stay> {
  await takes(cell, [hourMs, hourMs]);
  const ids = await cell.create(sizes.operations, 1);
  // Warms up: code and pools of the first waiters stay for the next ones.
  await join(crowd, cell, ids.slice(0, Math.ceil(sizes.operations / 10)));
  await sleep(1_000);
  await crowd.ask({ leave: true });
  await untilGone(cell, { files: 100, handles: 100 });
  const before = await settled(cell);
  const openBefore = { files: openFiles(cell.gateway.pid), handles: before.handles };
  const { waiting } = await join(crowd, cell, ids);
  await sleep(3_000);
  const during = await settled(cell);
  await crowd.ask({ leave: true });
  const left = await untilGone(cell, openBefore);
  const getsBefore = (await cell.counts()).Get;
  await sleep(3_000);
  const getsAfter = (await cell.counts()).Get - getsBefore;
  const after = await settled(cell);
  const grownKib = during.rssKib - before.rssKib;
  return {
    kibPerWaiter: grownKib / waiting,
    heapKibPerWaiter: (during.heapKib - before.heapKib) / waiting,
    socketsLeft: Math.max(0, left.files - openBefore.files, left.handles - openBefore.handles),
    freedShare: (during.heapKib - after.heapKib) / Math.max(1, during.heapKib - before.heapKib),
    getsAfter,
  };
}

interface Open {
  readonly files: number;
  readonly handles: number;
}

async function settled(cell: Cell): Promise<{
  readonly rssKib: number;
  readonly heapKib: number;
  readonly handles: number;
}> {
  const { heapUsed, external, handles } = await cell.gateway.ask<ProbeReport>({ settle: true });
  const rssKib = residentKib(cell.gateway.pid).now;
  return { rssKib, heapKib: (heapUsed + external) / 1_024, handles };
}

const spare = 4;
const goneWithinS = 20;

/** Resolves with what is open, once that is hardly more than `max` or the time is over. */
async function untilGone(cell: Cell, max: Open): Promise<Open> {
  for (let waitedS = 0; ; waitedS += 1) {
    const files = openFiles(cell.gateway.pid) - spare;
    const { handles } = await cell.gateway.ask<ProbeReport>({});
    const open = { files, handles: handles - spare };
    const isGone = open.files <= max.files && open.handles <= max.handles;
    if (isGone || waitedS >= goneWithinS) return open;
    await sleep(1_000);
  }
}

async function takes(cell: Cell, latencyMs: readonly [min: number, max: number]): Promise<void> {
  await cell.upstream.ask({ latencyMs });
}

function join(crowd: Child, cell: Cell, ids: readonly string[]) {
  const order: JoinOrder = { join: { origin: cell.origin, ids, perOperation, eventsShare } };
  return crowd.ask<{ readonly waiting: number }>(order);
}

/** Lateness when all operations start together. */
async function servedAtOnce(setup: Setup): Promise<Lateness> {
  const { cell, crowd, sizes } = setup;
  await takes(cell, sizes.atOnceMs);
  await teach(setup);
  return lateness(setup, async () => {
    const ids = await cell.create(sizes.operations, 1);
    await join(crowd, cell, ids);
    return ids;
  });
}

/** Lateness when the ends are spread, so that the quota of reads suffices. */
async function servedInTurn(setup: Setup): Promise<Lateness> {
  const { cell, crowd, sizes } = setup;
  const { startMs, takesMs } = sizes.inTurnMs;
  await takes(cell, [takesMs * 0.98, takesMs * 1.02]);
  await teach(setup);
  return lateness(setup, async () => {
    const ids: string[] = [];
    const beganMs = performance.now();
    while (ids.length < sizes.operations) {
      const dueMs = (ids.length / sizes.operations) * startMs;
      await sleep(Math.max(0, beganMs + dueMs - performance.now()));
      const [id = ''] = await cell.create(1, 1);
      ids.push(id);
      await join(crowd, cell, [id]);
    }
    return ids;
  });
}

/** Lets the gateway learn how long operations take. */
async function teach({ cell, crowd }: Setup): Promise<void> {
  const ids = await cell.create(taught, 1);
  const order: JoinOrder = {
    join: { origin: cell.origin, ids, perOperation: 1, eventsShare: 0 },
  };
  await crowd.ask(order);
  await crowd.ask({ settleUntilMs: Date.now() + 120_000 });
}

async function lateness(
  { cell, crowd }: Setup,
  start: () => Promise<readonly string[]>,
): Promise<Lateness> {
  const startedMs = Date.now();
  const before = await cell.upstream.ask<UpstreamObservations>({ observations: true });
  const ids = await start();
  const result = await crowd.ask<CrowdResult>({ settleUntilMs: Date.now() + 170_000 });
  const after = await cell.upstream.ask<UpstreamObservations>({ observations: true });
  const first = before.endsAtMs.length;
  const placeOf = new Map(ids.map((id, index) => [id, first + index]));
  const late = (since: readonly (number | null)[]) =>
    result.served
      .map(({ id, askedAtMs, servedAtMs }) => {
        const sinceMs = since[placeOf.get(id) ?? -1] ?? Number.NaN;
        return servedAtMs - Math.max(sinceMs, askedAtMs);
      })
      .toSorted((a, b) => a - b);
  const getsAtMs = after.getsAtMs.filter((atMs) => atMs >= startedMs);
  return {
    waiters: ids.length * perOperation,
    served: result.served.length,
    wrong: result.wrong === 0 ? '' : `${result.wrong} wrong: ${result.firstWrong}`,
    afterEndMs: late(after.endsAtMs),
    afterKnownMs: late(after.reportedAtMs),
    getsInSecondMax: mostInWindow(getsAtMs, 1_000),
    gets: getsAtMs.length,
    seconds: (Date.now() - startedMs) / 1_000,
    getsAtOnceMax: after.getsAtOnceMax,
  };
}
