import { createRequest, getRequest, sendLoad, type Cell, type CellOptions } from './cell.ts';

/** A kind of request: how to bring the gateway to it, what it is compared with, and what it should cost. */
export interface RequestRow {
  readonly name: string;
  readonly cell: CellOptions;
  readonly count: number;
  readonly connections: number;
  /** What the same bytes cost without a gateway. */
  readonly baseline: 'json' | 'image' | 'post and unary call';
  readonly goal: { readonly cpuUsMax?: number; readonly ratioMax?: number };
  readonly status: number;
  /** Upstream calls a request makes, at least and at most: a cache must not pose as a fast path. */
  readonly upstreamCalls: readonly [min: number, max: number];
  /** Makes the requests, one for each of `count` or fewer to use in turn. */
  prepare(cell: Cell, count: number): Promise<readonly string[]>;
  /** Whether a response is the right one. */
  isRight(response: RowResponse, cell: Cell): boolean;
}

export interface RowResponse {
  /** Of the body. */
  readonly sha256: string;
  /** Of the image within a JSON body. */
  readonly inlineSha256: string;
  /** Empty when it is a long one. */
  readonly body: string;
}

const due = { UPSTREAM_POLL_INTERVAL_MS: '10' };
const image = (id: string) => `/operations/${id}/image`;

async function finishedOne(cell: Cell): Promise<string> {
  const [id = ''] = await cell.create(1);
  const requests = [getRequest(`${image(id)}?wait=10`)];
  await sendLoad(cell.load, { origin: cell.origin, requests, count: 1, connections: 1 });
  return id;
}

async function unseen(cell: Cell, count: number): Promise<readonly string[]> {
  const ids = await cell.create(count);
  return ids.map((id) => getRequest(`${image(id)}?wait=10`));
}

const repeated =
  (path: (id: string) => string, headers: readonly string[] = []) =>
  async (cell: Cell) => [getRequest(path(await finishedOne(cell)), headers)];

const isImage: RequestRow['isRight'] = ({ sha256 }, cell) => sha256 === cell.imageSha256;
const isAccepted = (status: string) => (response: RowResponse) =>
  (JSON.parse(response.body) as { status: string }).status === status;

const small = { cell: { settings: due }, connections: 32, status: 200 };
const large = { cell: { settings: due, imageBytes: 3_000_000 }, connections: 8, status: 200 };
const watched = <Kind extends { cell: CellOptions }>(kind: Kind) => ({
  ...kind,
  cell: { ...kind.cell, hasProbe: true },
});

const createRow = {
  ...small,
  baseline: 'post and unary call',
  status: 202,
  upstreamCalls: [1, 1],
  prepare: async () => [createRequest],
  isRight: isAccepted('running'),
} as const;

const pollRow = {
  ...small,
  baseline: 'json',
  goal: { ratioMax: 1.5 },
  upstreamCalls: [0, 0],
  prepare: repeated((id) => `/operations/${id}`),
  isRight: isAccepted('succeeded'),
} as const;

const firstRow = {
  ...watched(small),
  baseline: 'image',
  upstreamCalls: [1, 1],
  prepare: unseen,
  isRight: isImage,
} as const;

const repeatedRow = {
  ...small,
  baseline: 'image',
  goal: { ratioMax: 1.2 },
  upstreamCalls: [0, 0],
  prepare: repeated(image),
  isRight: isImage,
} as const;

export const requestRows: readonly RequestRow[] = [
  { ...createRow, name: 'create, 32 at once', count: 8_000, goal: { cpuUsMax: 160 } },
  { ...createRow, name: 'create, one after the other', connections: 1, count: 2_000, goal: {} },
  {
    ...pollRow,
    name: 'poll of a pending operation',
    cell: { latencyMs: [3_600_000, 3_600_000] },
    count: 15_000,
    // The one poll that is due now and then, shared by all.
    upstreamCalls: [0, 0.01],
    prepare: async (cell) => [getRequest(`/operations/${(await cell.create(1))[0]}`)],
    isRight: isAccepted('running'),
  },
  { ...pollRow, name: 'poll of a finished operation', count: 15_000 },
  {
    ...pollRow,
    name: 'poll of a finished operation, one after the other',
    connections: 1,
    count: 6_000,
    goal: {},
  },
  { ...firstRow, name: 'image of 300 KB, first', count: 700, goal: { cpuUsMax: 900 } },
  {
    ...firstRow,
    name: 'image of 300 KB, first, one after the other',
    connections: 1,
    count: 300,
    goal: {},
  },
  { ...repeatedRow, name: 'image of 300 KB, repeated', count: 4_000 },
  {
    ...repeatedRow,
    name: 'image of 300 KB, repeated, one after the other',
    connections: 1,
    count: 2_000,
    goal: {},
  },
  {
    ...repeatedRow,
    name: 'image of 300 KB, 304',
    count: 15_000,
    goal: { ratioMax: 1 },
    status: 304,
    prepare: repeated(image, ['if-none-match: *']),
    isRight: ({ body }) => body === '',
  },
  {
    ...repeatedRow,
    name: 'image of 300 KB, a range of 10 KB',
    count: 15_000,
    goal: { ratioMax: 1 },
    status: 206,
    prepare: repeated(image, ['range: bytes=0-9999']),
    isRight: ({ sha256 }, cell) => sha256 === cell.rangeSha256,
  },
  { ...firstRow, ...watched(large), name: 'image of 3 MB, first', count: 80, goal: {} },
  { ...repeatedRow, ...large, name: 'image of 3 MB, repeated', count: 600 },
  {
    ...repeatedRow,
    name: 'base64 JSON of 300 KB',
    count: 2_000,
    goal: { cpuUsMax: 1_200 },
    prepare: repeated((id) => `/operations/${id}?include=image`),
    isRight: ({ inlineSha256 }, cell) => inlineSha256 === cell.imageSha256,
  },
];
