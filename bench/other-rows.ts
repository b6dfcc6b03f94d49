import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getRequest, openCell, sendLoad, type UpstreamCounts } from './cell.ts';
import { cpuMicroseconds, residentKib, startGateway, startRole, type Child } from './child.ts';

const pictureBytes = 300_000;

export interface LifeCost {
  /** CPU of the gateway for one picture's whole life, in milliseconds. */
  readonly cpuMs: number;
  readonly upstreamCalls: number;
}

const viewers = 10;

async function livesThrough(
  gateway: Child,
  options: { upstream: Child; lives: number; style: 'wait' | 'poll' },
): Promise<LifeCost> {
  const { upstream, lives, style } = options;
  const clients = await startRole('bench/clients.ts', 1);
  try {
    const origin = String(gateway.ready['address']);
    const cpuBeforeUs = cpuMicroseconds(gateway.pid);
    const { bytes } = await clients.ask<{ bytes: number[] }>({ origin, lives, viewers, style });
    if (bytes.some((length) => length !== pictureBytes))
      throw new Error('a viewer did not get the picture');
    const cpuMs = (cpuMicroseconds(gateway.pid) - cpuBeforeUs) / 1_000 / lives;
    const counts = await upstream.ask<UpstreamCounts>({ counts: true });
    return { cpuMs, upstreamCalls: (counts.Generate + counts.Get) / lives };
  } finally {
    await clients.stop();
  }
}

/** One creator and ten viewers: through the gateway, and through a plain transcoder whose clients poll. */
export async function measureLives(
  lives: number,
): Promise<{ readonly ours: LifeCost; readonly plain: LifeCost }> {
  const latencyMs = [2_400, 3_600] as const;
  const cell = await openCell({ latencyMs, pictureBytes });
  let ours: LifeCost;
  try {
    ours = await livesThrough(cell.gateway, { upstream: cell.upstream, lives, style: 'wait' });
  } finally {
    await cell.stop();
  }
  const upstream = await startRole('bench/upstream.ts', 1, {
    PICTURE_BYTES: String(pictureBytes),
    LATENCY_MIN_MS: String(latencyMs[0]),
    LATENCY_MAX_MS: String(latencyMs[1]),
  });
  const plain = await startRole('bench/plain-gateway.ts', 0, {
    UPSTREAM_ADDRESS: String(upstream.ready['address']),
  });
  try {
    return { ours, plain: await livesThrough(plain, { upstream, lives, style: 'poll' }) };
  } finally {
    await plain.stop();
    await upstream.stop();
  }
}

export interface WaitersResult {
  readonly waiters: number;
  readonly kibPerWaiter: number;
  readonly lateP50Ms: number;
  readonly lateP99Ms: number;
  readonly getsPerOperation: number;
  readonly cpuMsPerWaiter: number;
}

const waitersPerOperation = 20;
const taughtOperations = 60;

/** Many who wait for operations that end within a range of times; the schedule has seen 60 such before. */
export async function measureWaiters(
  waiters: number,
  latencyMs: readonly [number, number],
): Promise<WaitersResult> {
  const cell = await openCell({ latencyMs, pictureBytes: 2_000 });
  try {
    const { origin, load, gateway } = cell;
    const wait = async (ids: readonly string[], perOperation: number) => {
      const requests = ids.flatMap((id) =>
        Array.from({ length: perOperation }, () => getRequest(`/operations/${id}?wait=60`)),
      );
      return sendLoad(load, {
        origin,
        requests,
        count: requests.length,
        connections: requests.length,
        keep: true,
      });
    };
    await wait(await cell.create(taughtOperations, 1), 1);
    const before = await cell.counts();
    const rssBeforeKib = residentKib(gateway.pid).now;
    const cpuBeforeUs = cpuMicroseconds(gateway.pid);
    const operations = waiters / waitersPerOperation;
    // One after the other, so that the upstream's list of ends is in the order of the ids.
    const ids = await cell.create(operations, 1);
    let rssMaxKib = rssBeforeKib;
    const watch = setInterval(() => {
      rssMaxKib = Math.max(rssMaxKib, residentKib(gateway.pid).now);
    }, 50);
    const result = await wait(ids, waitersPerOperation);
    clearInterval(watch);
    const after = await cell.counts();
    const { endsAtMs } = await cell.upstream.ask<{ endsAtMs: number[] }>({ ends: true });
    const late = result.endedAtMs
      .map(
        (endedMs, index) =>
          endedMs -
          endOf(endsAtMs, ids, Math.floor(index / waitersPerOperation), result.bodies[index]),
      )
      .toSorted((a, b) => a - b);
    const quantile = (share: number) => late[Math.floor((late.length - 1) * share)] ?? Number.NaN;
    return {
      waiters,
      kibPerWaiter: (rssMaxKib - rssBeforeKib) / waiters,
      lateP50Ms: quantile(0.5),
      lateP99Ms: quantile(0.99),
      getsPerOperation: (after.Get - before.Get) / operations,
      cpuMsPerWaiter: (cpuMicroseconds(gateway.pid) - cpuBeforeUs) / 1_000 / waiters,
    };
  } finally {
    await cell.stop();
  }
}

/** When the upstream ended the operation that a waiter was told of; the answer must be that it succeeded. */
function endOf(
  endsAtMs: readonly number[],
  ids: readonly string[],
  operation: number,
  body: string | undefined,
): number {
  const { id, status } = JSON.parse(body ?? '{}') as { id?: string; status?: string };
  if (id !== ids[operation] || status !== 'succeeded')
    throw new Error('a waiter was told something else');
  return endsAtMs[taughtOperations + operation] ?? Number.NaN;
}

export interface StartResult {
  readonly readyMs: number;
  readonly idleMib: number;
}

/** From the start of the process to the first 200 of /readyz, and its memory a second later. */
export async function measureStart(isEmbedded: boolean): Promise<StartResult> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'gateway-bench-'));
  const upstream = isEmbedded ? undefined : await startRole('bench/upstream.ts', 1);
  const beganMs = performance.now();
  const gateway = await startGateway({
    DATA_DIR: dataDirectory,
    ...(upstream && { UPSTREAM_ADDRESS: String(upstream.ready['address']) }),
  });
  try {
    const ready = `${String(gateway.ready['address'])}/readyz`;
    while ((await fetch(ready)).status !== 200) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const readyMs = performance.now() - beganMs;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return { readyMs, idleMib: residentKib(gateway.pid).now / 1024 };
  } finally {
    await gateway.stop();
    await upstream?.stop();
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}
