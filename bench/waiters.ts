import { getRequest, openCell, sendLoad, type Cell } from './cell.ts';
import { cpuMicroseconds, residentKib } from './child.ts';
import type { LoadResult } from './load.ts';

export interface WaitersResult {
  readonly kibPerWaiter: number;
  /** From the end of the operation, or from the request if that came later, to the response. */
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
  readonly getsPerOperation: number;
  readonly cpuUsPerWaiter: number;
}

const waitersPerOperation = 20;
const taughtOperations = 60;

/** Many who wait for operations that end within a range of times; the schedule has seen 60 such before. */
export async function measureWaiters(
  waiters: number,
  latencyMs: readonly [min: number, max: number],
): Promise<WaitersResult> {
  const cell = await openCell({ latencyMs, imageBytes: 2_000 });
  try {
    const { load, gateway, origin } = cell;
    await wait(cell, await cell.create(taughtOperations, 1), 1);
    const before = await cell.counts();
    const rssBeforeKib = residentKib(gateway.pid).now;
    const cpuBeforeUs = cpuMicroseconds(gateway.pid);
    const operations = Math.ceil(waiters / waitersPerOperation);
    // Connected before: what is measured is waiting, not how fast a listener accepts.
    await load.ask({ open: operations * waitersPerOperation, origin });
    // One after the other, so that the upstream's list of ends is in the order of the ids.
    const ids = await cell.create(operations, 1);
    let rssMaxKib = rssBeforeKib;
    const watch = setInterval(() => {
      rssMaxKib = Math.max(rssMaxKib, residentKib(gateway.pid).now);
    }, 50);
    const result = await wait(cell, ids, waitersPerOperation).finally(() => clearInterval(watch));
    const cpuUs = cpuMicroseconds(gateway.pid) - cpuBeforeUs;
    const after = await cell.counts();
    const { endsAtMs } = await cell.upstream.ask<{ endsAtMs: number[] }>({ ends: true });
    const late = latenessMs(result, ids, endsAtMs.slice(taughtOperations));
    const quantile = (share: number) => late[Math.floor((late.length - 1) * share)] ?? Number.NaN;
    return {
      kibPerWaiter: (rssMaxKib - rssBeforeKib) / waiters,
      lateP50Ms: quantile(0.5),
      lateP99Ms: quantile(0.99),
      getsPerOperation: (after.Get - before.Get) / operations,
      cpuUsPerWaiter: cpuUs / waiters,
    };
  } finally {
    await cell.stop();
  }
}

function wait(cell: Cell, ids: readonly string[], perOperation: number): Promise<LoadResult> {
  const requests = ids.flatMap((id) =>
    Array.from({ length: perOperation }, () => getRequest(`/operations/${id}?wait=60`)),
  );
  return sendLoad(cell.load, {
    origin: cell.origin,
    requests,
    count: requests.length,
    connections: requests.length,
    opened: perOperation > 1,
    keep: true,
  });
}

/** How late each waiter got its response, sorted; every response must be the right one. */
function latenessMs(
  { bodies, beganAtMs, endedAtMs }: LoadResult,
  ids: readonly string[],
  endsAtMs: readonly number[],
): number[] {
  return endedAtMs
    .map((respondedAtMs, index) => {
      const operation = Math.floor(index / waitersPerOperation);
      const { id, status } = JSON.parse(bodies[index] ?? '{}') as { id?: string; status?: string };
      if (id !== ids[operation] || status !== 'succeeded')
        throw new Error('a waiter got another response');
      return respondedAtMs - Math.max(endsAtMs[operation] ?? Number.NaN, beganAtMs[index] ?? 0);
    })
    .toSorted((a, b) => a - b);
}
