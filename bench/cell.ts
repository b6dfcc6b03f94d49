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
  readonly imageBytes?: number;
  /** When operations end after their Generate, drawn evenly between the two. */
  readonly latencyMs?: readonly [min: number, max: number];
  readonly settings?: Record<string, string>;
  /** Of the upstream, as its environment. */
  readonly upstream?: Record<string, string>;
  /** Watches the gateway's loop and its garbage collection from within. */
  readonly hasProbe?: boolean;
}

/** An upstream, a gateway and a load, all fresh. */
export interface Cell {
  readonly upstream: Child;
  readonly gateway: Child;
  readonly load: Child;
  readonly origin: string;
  readonly imageSha256: string;
  /** Of the first 10,000 bytes of the image. */
  readonly rangeSha256: string;
  readonly counts: () => Promise<UpstreamCounts>;
  /** POSTs so many creates; resolves with their ids. On one connection they are accepted in that order. */
  create(count: number, connections?: number): Promise<readonly string[]>;
  stop(): Promise<void>;
}

export async function openCell(options: CellOptions = {}): Promise<Cell> {
  const { imageBytes = 300_000, latencyMs = [0, 0], settings = {}, hasProbe = false } = options;
  const dataDirectory = mkdtempSync(join(tmpdir(), 'gateway-bench-'));
  const starting = startRole('bench/load.ts', 1);
  const upstream = await startRole('bench/upstream.ts', 1, {
    IMAGE_BYTES: String(imageBytes),
    LATENCY_MIN_MS: String(latencyMs[0]),
    LATENCY_MAX_MS: String(latencyMs[1]),
    ...options.upstream,
  });
  const environment = {
    UPSTREAM_ADDRESS: String(upstream.ready['address']),
    DATA_DIR: dataDirectory,
    // The quota is the subject of tests; here it would only put a ceiling on the load.
    RESULT_READS_PER_SECOND_MAX: '100000',
    ...settings,
  };
  const gateway = await startGateway(environment, { hasProbe });
  const load = await starting;
  const origin = String(gateway.ready['address']);
  return {
    upstream,
    gateway,
    load,
    origin,
    imageSha256: String(upstream.ready['sha256']),
    rangeSha256: String(upstream.ready['rangeSha256']),
    counts: () => upstream.ask<UpstreamCounts>({ counts: true }),
    async create(count, connections = 16) {
      const result = await sendLoad(load, {
        origin,
        requests: [createRequest],
        count,
        connections,
        statuses: [202],
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

/** A create, as bytes on a connection. */
export function createRequestOf(prompt: string): string {
  const body = JSON.stringify({ prompt, aspectRatio: '16:9' });
  return [
    'POST /v1/images HTTP/1.1',
    'host: bench',
    'content-type: application/json',
    `content-length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
}

export const createRequest = createRequestOf('a red cat in a spaceship');

export function getRequest(path: string, headers: readonly string[] = []): string {
  return [`GET ${path} HTTP/1.1`, 'host: bench', ...headers, '', ''].join('\r\n');
}

export interface LoadOrder {
  readonly origin: string;
  readonly requests: readonly string[];
  readonly count: number;
  readonly connections: number;
  /** Those that are no failures; 200 and 202 by default. */
  readonly statuses?: readonly number[];
  readonly keep?: boolean;
  readonly opened?: boolean;
}

/** Runs a load; any response that is no success ends the benchmark. */
export async function sendLoad(load: Child, order: LoadOrder): Promise<LoadResult> {
  const result = await load.ask<LoadResult>({ statuses: [200, 202], ...order });
  if (result.failures > 0) {
    throw new Error(
      `${result.failures} of ${order.count} requests failed: ${order.requests[0]?.split('\r\n')[0]}`,
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
