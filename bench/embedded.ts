import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequestOf, sample, sendLoad, type Sample } from './cell.ts';
import { cpuMicroseconds, startGateway, startRole } from './child.ts';

/** A create with everything behind it: the gateway and what keeps the operation. */
export interface EmbeddedRound {
  readonly ours: Sample;
  /** CPU of the same with the emulator, which keeps operations in memory: both processes. */
  readonly baseUs: number;
}

/** Nothing is drawn: the emulator refuses this prompt later, and the service waits for an hour. */
const request = createRequestOf('forbidden later: a red cat');
const warmUpShare = 0.5;

/** CPU of creates in which the service is embedded and writes each operation to the disk. */
export async function measureEmbedded(connections: number, count: number): Promise<EmbeddedRound> {
  return {
    ours: await measure(connections, count, []),
    baseUs: await measureBase(connections, count),
  };
}

async function measureBase(connections: number, count: number): Promise<number> {
  const emulator = await startRole('bench/emulator.ts', 1);
  try {
    const upstream = { address: String(emulator.ready['address']), pid: emulator.pid };
    return (await measure(connections, count, [upstream])).cpuUs;
  } finally {
    await emulator.stop();
  }
}

async function measure(
  connections: number,
  count: number,
  upstreams: readonly { readonly address: string; readonly pid: number }[],
): Promise<Sample> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'gateway-bench-'));
  const gateway = await startGateway({
    DATA_DIR: dataDirectory,
    QUEUE_MAX: '100000',
    DRAWING_DELAY_MS: '3600000',
    DRAIN_DELAY_MS: '0',
    UPSTREAM_ADDRESS: upstreams[0]?.address ?? 'embedded',
  });
  const load = await startRole('bench/load.ts', 1);
  try {
    const order = { origin: String(gateway.ready['address']), requests: [request], connections };
    await sendLoad(load, { ...order, count: Math.round(count * warmUpShare) });
    const othersUs = () => upstreams.reduce((sum, { pid }) => sum + cpuMicroseconds(pid), 0);
    const beforeUs = othersUs();
    const result = await sample(gateway.pid, load, { ...order, count });
    return { ...result, cpuUs: result.cpuUs + (othersUs() - beforeUs) / count };
  } finally {
    await Promise.all([load.stop(), gateway.stop()]);
    rmSync(dataDirectory, { recursive: true, force: true });
  }
}
