import {
  openCell,
  createRequest,
  getRequest,
  sample,
  sendLoad,
  type Cell,
  type CellOptions,
  type Sample,
} from './cell.ts';
import { cpuMicroseconds, startRole } from './child.ts';

/** A kind of request: how to bring the gateway to it, what it is compared with, and what it should cost. */
export interface RequestRow {
  readonly name: string;
  readonly cell: CellOptions;
  readonly count: number;
  readonly connections: number;
  /** What the same bytes cost without a gateway. */
  readonly baseline: 'json' | 'picture' | 'post and unary call';
  readonly goal: { readonly cpuUsMax?: number; readonly ratioMax?: number };
  /** Upstream calls a request may make. */
  readonly upstreamCallsMax: number;
  /** Makes the requests, one for each of `count` or fewer to use in turn. */
  prepare(cell: Cell, count: number): Promise<readonly string[]>;
}

const due = { UPSTREAM_POLL_INTERVAL_MS: '10' };
const image = (id: string) => `/operations/${id}/image`;

async function finishedOne(cell: Cell): Promise<string> {
  const [id = ''] = await cell.create(1);
  const check = await sendLoad(cell.load, {
    origin: cell.origin,
    requests: [getRequest(`${image(id)}?wait=10`)],
    count: 1,
    connections: 1,
    keep: true,
  });
  // A cache of something else must not pose as a fast path.
  if (check.sha256[0] !== cell.pictureSha256)
    throw new Error('the picture is not the one the upstream sent');
  return id;
}

async function unseen(cell: Cell, count: number): Promise<readonly string[]> {
  const ids = await cell.create(count);
  return ids.map((id) => getRequest(`${image(id)}?wait=10`));
}

const repeated =
  (path: (id: string) => string, headers: readonly string[] = []) =>
  async (cell: Cell) => [getRequest(path(await finishedOne(cell)), headers)];

const at32 = { connections: 32 };
const small = { cell: { settings: due }, ...at32 };
const large = { cell: { settings: due, pictureBytes: 3_000_000 }, connections: 8 };

export const requestRows: readonly RequestRow[] = [
  {
    ...small,
    name: 'create, 32 at once',
    count: 8_000,
    baseline: 'post and unary call',
    goal: { cpuUsMax: 160 },
    upstreamCallsMax: 1,
    prepare: async () => [createRequest],
  },
  {
    ...small,
    connections: 1,
    name: 'create, one after the other',
    count: 2_000,
    baseline: 'post and unary call',
    goal: {},
    upstreamCallsMax: 1,
    prepare: async () => [createRequest],
  },
  {
    name: 'poll of a pending operation',
    cell: { latencyMs: [3_600_000, 3_600_000] },
    ...at32,
    count: 15_000,
    baseline: 'json',
    goal: { ratioMax: 1.5 },
    upstreamCallsMax: 0.01,
    prepare: async (cell) => [getRequest(`/operations/${(await cell.create(1))[0]}`)],
  },
  {
    ...small,
    name: 'poll of a finished operation',
    count: 15_000,
    baseline: 'json',
    goal: { ratioMax: 1.5 },
    upstreamCallsMax: 0,
    prepare: repeated((id) => `/operations/${id}`),
  },
  {
    ...small,
    name: 'image of 300 KB, first',
    count: 700,
    baseline: 'picture',
    goal: { cpuUsMax: 900 },
    upstreamCallsMax: 1,
    prepare: unseen,
  },
  {
    ...small,
    name: 'image of 300 KB, repeated',
    count: 4_000,
    baseline: 'picture',
    goal: { ratioMax: 1.2 },
    upstreamCallsMax: 0,
    prepare: repeated(image),
  },
  {
    ...small,
    name: 'image of 300 KB, 304',
    count: 15_000,
    baseline: 'picture',
    goal: { ratioMax: 1 },
    upstreamCallsMax: 0,
    prepare: repeated(image, ['if-none-match: *']),
  },
  {
    ...small,
    name: 'image of 300 KB, a range of 10 KB',
    count: 15_000,
    baseline: 'picture',
    goal: { ratioMax: 1 },
    upstreamCallsMax: 0,
    prepare: repeated(image, ['range: bytes=0-9999']),
  },
  {
    ...large,
    name: 'image of 3 MB, first',
    count: 80,
    baseline: 'picture',
    goal: {},
    upstreamCallsMax: 1,
    prepare: unseen,
  },
  {
    ...large,
    name: 'image of 3 MB, repeated',
    count: 600,
    baseline: 'picture',
    goal: { ratioMax: 1.2 },
    upstreamCallsMax: 0,
    prepare: repeated(image),
  },
  {
    ...small,
    name: 'base64 JSON of 300 KB',
    count: 2_000,
    baseline: 'picture',
    goal: { cpuUsMax: 1_200 },
    upstreamCallsMax: 0,
    prepare: repeated((id) => `/operations/${id}?include=image`),
  },
];

const warmUpShare = 0.25;

/** The gateway's cost for a row, in fresh processes. */
export async function measureRow(row: RequestRow, scale: number): Promise<Sample> {
  const cell = await openCell(row.cell);
  try {
    const count = Math.max(row.connections, Math.round(row.count * scale));
    const warmUp = Math.max(row.connections, Math.round(count * warmUpShare));
    const requests = await row.prepare(cell, count + warmUp);
    const isOnceEach = requests.length > 1;
    const { origin, load, gateway } = cell;
    const { connections } = row;
    await sendLoad(load, {
      origin,
      connections,
      count: warmUp,
      requests: isOnceEach ? requests.slice(count) : requests,
    });
    const measured = {
      origin,
      connections,
      count,
      requests: isOnceEach ? requests.slice(0, count) : requests,
    };
    const result = await sample(gateway.pid, load, measured, cell.counts);
    if (result.upstreamCalls > row.upstreamCallsMax) {
      throw new Error(`${row.name}: ${result.upstreamCalls} upstream calls a request`);
    }
    return result;
  } finally {
    await cell.stop();
  }
}

/** CPU per request of what the row is compared with, in microseconds, in fresh processes. */
export async function measureBaseline(row: RequestRow, scale: number): Promise<number> {
  const pictureBytes = String(row.cell.pictureBytes ?? 300_000);
  const upstream = await startRole('bench/upstream.ts', 1, {
    PICTURE_BYTES: '100',
    LATENCY_MIN_MS: '3600000',
    LATENCY_MAX_MS: '3600000',
  });
  const baseline = await startRole('bench/baseline.ts', 0, {
    PICTURE_BYTES: pictureBytes,
    UPSTREAM_ADDRESS: String(upstream.ready['address']),
  });
  const load = await startRole('bench/load.ts', 1);
  try {
    const origin = String(baseline.ready['address']);
    const isPost = row.baseline === 'post and unary call';
    const path = row.baseline === 'picture' ? '/picture' : '/json';
    const requests = [isPost ? createRequest.replace('/v1/images', '/json') : getRequest(path)];
    const perRow =
      row.baseline === 'picture' ? (row.cell.pictureBytes === undefined ? 4_000 : 600) : 15_000;
    const count = Math.max(row.connections, Math.round(perRow * scale));
    const order = { origin, requests, connections: row.connections };
    await sendLoad(load, {
      ...order,
      count: Math.max(row.connections, Math.round(count * warmUpShare)),
    });
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
