import { createRequest, getRequest, openCell, sample, sendLoad, type Cell } from './cell.ts';
import type { LoadOrder, Sample } from './cell.ts';
import { cpuMicroseconds, startRole, type ProbeReport } from './child.ts';
import type { RequestRow } from './request-rows.ts';

/** What a row cost the gateway. */
export interface RowSample extends Sample {
  /** Full garbage collections per 1,000 requests, where a probe counted them. */
  readonly markCompacts: number | undefined;
}

const warmUpShare = 0.5;
/** How far background polls may move the count of upstream calls. */
const callsTolerance = 1e-9;

/** The gateway's cost for a row, in fresh processes. Every response of the warm-up is checked. */
export async function measureRow(row: RequestRow, scale: number): Promise<RowSample> {
  const cell = await openCell(row.cell);
  try {
    const count = Math.max(row.connections, Math.round(row.count * scale));
    const warmUp = Math.max(row.connections, Math.round(count * warmUpShare));
    const requests = await row.prepare(cell, count + warmUp);
    const isOnceEach = requests.length > 1;
    const order = {
      origin: cell.origin,
      connections: row.connections,
      statuses: [row.status],
      requests,
      count,
    };
    const first = isOnceEach ? requests.slice(count) : requests;
    await checkedLoad(row, cell, { ...order, count: warmUp, requests: first });
    if (row.cell.hasProbe === true) await cell.gateway.ask<ProbeReport>({});
    const result = await sample(cell.gateway.pid, cell.load, order, cell.counts);
    const report = row.cell.hasProbe === true ? await cell.gateway.ask<ProbeReport>({}) : undefined;
    const [callsMin, callsMax] = row.upstreamCalls;
    const { upstreamCalls } = result;
    if (upstreamCalls < callsMin - callsTolerance || upstreamCalls > callsMax + callsTolerance) {
      throw new Error(`${row.name}: ${upstreamCalls} upstream calls a request`);
    }
    return {
      ...result,
      markCompacts: report === undefined ? undefined : (report.markCompacts / count) * 1_000,
    };
  } finally {
    await cell.stop();
  }
}

/** Checks the warm-up: a fast response must not be a wrong one. */
async function checkedLoad(row: RequestRow, cell: Cell, order: LoadOrder): Promise<void> {
  const { sha256, inlineSha256, bodies } = await sendLoad(cell.load, { ...order, keep: true });
  for (let index = 0; index < order.count; index += 1) {
    const response = {
      sha256: sha256[index] ?? '',
      inlineSha256: inlineSha256[index] ?? '',
      body: bodies[index] ?? '',
    };
    if (!row.isRight(response, cell)) throw new Error(`${row.name}: response ${index} is wrong`);
  }
}

/** CPU per request of what the row is compared with, in microseconds, in fresh processes. */
export async function measureBaseline(row: RequestRow, scale: number): Promise<number> {
  const upstream = await startRole('bench/upstream.ts', 1, {
    IMAGE_BYTES: '100',
    LATENCY_MIN_MS: '3600000',
    LATENCY_MAX_MS: '3600000',
  });
  const baseline = await startRole('bench/baseline.ts', 0, {
    IMAGE_BYTES: String(row.cell.imageBytes ?? 300_000),
    UPSTREAM_ADDRESS: String(upstream.ready['address']),
  });
  const load = await startRole('bench/load.ts', 1);
  try {
    const origin = String(baseline.ready['address']);
    const isPost = row.baseline === 'post and unary call';
    const path = row.baseline === 'image' ? '/image' : '/json';
    const requests = [isPost ? createRequest.replace('/v1/images', '/json') : getRequest(path)];
    const atFullScale =
      row.baseline === 'image' ? (row.cell.imageBytes === undefined ? 4_000 : 600) : 15_000;
    const count = Math.max(row.connections, Math.round(atFullScale * scale));
    const order = { origin, requests, connections: row.connections };
    await sendLoad(load, { ...order, count: Math.round(count * warmUpShare) });
    const { cpuUs } = await sample(baseline.pid, load, { ...order, count });
    if (!isPost) return cpuUs;
    const calls = { count: Math.round(8_000 * scale), inFlight: row.connections };
    await baseline.ask({ ...calls, count: Math.round(calls.count * warmUpShare) });
    const beforeUs = cpuMicroseconds(baseline.pid);
    await baseline.ask(calls);
    return cpuUs + (cpuMicroseconds(baseline.pid) - beforeUs) / calls.count;
  } finally {
    await Promise.all([load.stop(), baseline.stop(), upstream.stop()]);
  }
}
