import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuMicroseconds, residentKib, startGateway, startRole, type Child } from './child.ts';
import type { LoadResult } from './load.ts';

/** One measurement of one process under one load. */
export interface Sample {
  /** CPU of the measured process, all threads, per request. */
  readonly cpuUs: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Generate, Get and Cancel calls the upstream got, per request. */
  readonly upstreamCalls: number;
  readonly peakMib: number;
}

export interface UpstreamCounts {
  readonly Generate: number;
  readonly Get: number;
  readonly Cancel: number;
}

export interface CellOptions {
  readonly pictureBytes?: number;
  /** When operations end after their Generate, drawn evenly between the two. */
  readonly latencyMs?: readonly [min: number, max: number];
  readonly settings?: Record<string, string>;
}

/** An upstream, a gateway and a load, all fresh. */
export interface Cell {
  readonly upstream: Child;
  readonly gateway: Child;
  readonly load: Child;
  readonly origin: string;
  readonly pictureSha256: string;
  readonly counts: () => Promise<UpstreamCounts>;
  /** POSTs so many creates; resolves with their ids. On one connection they are accepted in that order. */
  create(count: number, connections?: number): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export async function openCell(options: CellOptions = {}): Promise<Cell> {
  const { pictureBytes = 300_000, latencyMs = [0, 0], settings = {} } = options;
  const dataDirectory = mkdtempSync(join(tmpdir(), 'gateway-bench-'));
  const upstream = await startRole('bench/upstream.ts', 1, {
    PICTURE_BYTES: String(pictureBytes),
    LATENCY_MIN_MS: String(latencyMs[0]),
    LATENCY_MAX_MS: String(latencyMs[1]),
  });
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: String(upstream.ready['address']),
    DATA_DIR: dataDirectory,
    // The quota is the subject of tests; here it would only put a ceiling on the load.
    RESULT_READS_PER_SECOND_MAX: '100000',
    ...settings,
  });
  const load = await startRole('bench/load.ts', 1);
  const origin = String(gateway.ready['address']);
  return {
    upstream,
    gateway,
    load,
    origin,
    pictureSha256: String(upstream.ready['sha256']),
    counts: () => upstream.ask<UpstreamCounts>({ counts: true }),
    async create(count, connections = 16) {
      const result = await sendLoad(load, {
        origin,
        requests: [createRequest],
        count,
        connections,
        keep: true,
      });
      return result.bodies.map((body) => (JSON.parse(body) as { id: string }).id);
    },
    async stop() {
      await Promise.all([load.stop(), gateway.stop()]);
      await upstream.stop();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}

const createBody = JSON.stringify({ prompt: 'a red cat in a spaceship', aspectRatio: '16:9' });

export const createRequest = [
  'POST /v1/images HTTP/1.1',
  'host: bench',
  'content-type: application/json',
  `content-length: ${createBody.length}`,
  '',
  createBody,
].join('\r\n');

export function getRequest(path: string, headers: readonly string[] = []): string {
  return [`GET ${path} HTTP/1.1`, 'host: bench', ...headers, '', ''].join('\r\n');
}

export interface LoadOrder {
  readonly origin: string;
  readonly requests: readonly string[];
  readonly count: number;
  readonly connections: number;
  readonly keep?: boolean;
}

/** Runs a load; any answer that is no success ends the benchmark. */
export async function sendLoad(load: Child, order: LoadOrder): Promise<LoadResult> {
  const statuses = [200, 202, 206, 304];
  const result = await load.ask<LoadResult>({ ...order, statuses });
  if (result.failures > 0) {
    throw new Error(
      `${result.failures} of ${order.count} answers failed: ${order.requests[0]?.split('\r\n')[0]}`,
    );
  }
  return result;
}

/** The cost of a load for one process. */
export async function sample(
  pid: number,
  load: Child,
  order: LoadOrder,
  counts?: () => Promise<UpstreamCounts>,
): Promise<Sample> {
  const before = await counts?.();
  const cpuBeforeUs = cpuMicroseconds(pid);
  const result = await sendLoad(load, order);
  const cpuUs = (cpuMicroseconds(pid) - cpuBeforeUs) / order.count;
  const after = await counts?.();
  const total = (of: UpstreamCounts | undefined) =>
    of === undefined ? 0 : of.Generate + of.Get + of.Cancel;
  return {
    cpuUs,
    perSecond: (order.count / result.durationMs) * 1000,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    upstreamCalls: (total(after) - total(before)) / order.count,
    peakMib: residentKib(pid).peak / 1024,
  };
}
