import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCell, type UpstreamCounts } from './cell.ts';
import { cpuMicroseconds, residentKib, startGateway, startRole, type Child } from './child.ts';

const imageBytes = 300_000;

export interface LifeCost {
  /** CPU of the gateway for one image's whole life, in milliseconds. */
  readonly cpuMs: number;
  readonly upstreamCalls: number;
}

const viewers = 10;
/** One Generate, four reads by schedule, and one more for a slow machine. */
const callsMax = 6;

async function livesThrough(
  gateway: Child,
  options: { upstream: Child; lives: number; style: 'wait' | 'poll' },
): Promise<LifeCost> {
  const { upstream, lives, style } = options;
  const clients = await startRole('bench/clients.ts', 1);
  const origin = String(gateway.ready['address']);
  const live = async (count: number) => {
    const order = { origin, lives: count, viewers, style };
    const { sha256 } = await clients.ask<{ sha256: string[] }>(order);
    if (sha256.some((seen) => seen !== upstream.ready['sha256']))
      throw new Error('a viewer did not get the image');
  };
  try {
    await live(Math.ceil(lives / 2));
    const before = await upstream.ask<UpstreamCounts>({ counts: true });
    const cpuBeforeUs = cpuMicroseconds(gateway.pid);
    await live(lives);
    const cpuMs = (cpuMicroseconds(gateway.pid) - cpuBeforeUs) / 1_000 / lives;
    const after = await upstream.ask<UpstreamCounts>({ counts: true });
    const calls = after.Generate - before.Generate + after.Get - before.Get;
    const upstreamCalls = calls / lives;
    if (style === 'wait' && upstreamCalls > callsMax)
      throw new Error(`${upstreamCalls} upstream calls in a life`);
    return { cpuMs, upstreamCalls };
  } finally {
    await clients.stop();
  }
}

/** One creator and ten viewers: through the gateway, and through a plain transcoder whose clients poll. */
export async function measureLives(
  lives: number,
  latencyMs: readonly [min: number, max: number],
): Promise<{ readonly ours: LifeCost; readonly plain: LifeCost }> {
  const cell = await openCell({ latencyMs, imageBytes });
  let ours: LifeCost;
  try {
    ours = await livesThrough(cell.gateway, { upstream: cell.upstream, lives, style: 'wait' });
  } finally {
    await cell.stop();
  }
  const upstream = await startRole('bench/upstream.ts', 1, {
    IMAGE_BYTES: String(imageBytes),
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
