import { connect, type Socket } from 'node:net';

/** What a stranger, or one caller too many, does to a gateway while others use it. */
export interface Attack {
  readonly name: string;
  /** Requests a second. */
  readonly perSecond: number;
  /** Sends one request. @returns Its status; 0 when there was none. */
  readonly send: (origin: string, index: number) => Promise<number>;
  /** Statuses that mean that the gateway gave something away. */
  readonly forbidden: ReadonlySet<number>;
}

const json = { 'content-type': 'application/json' };
const given: ReadonlySet<number> = new Set([200, 201, 202]);

async function statusOf(url: string, init: RequestInit): Promise<number> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

function post(origin: string, body: string, headers: Record<string, string>): Promise<number> {
  return statusOf(`${origin}/v1/images`, {
    method: 'POST',
    headers: { ...json, ...headers },
    body,
  });
}

/** Bodies of 64 KiB that were slow to refuse, or are large as they are. */
const largeBodies = [
  `{"~${'~'.repeat(32_000)}":{${Array.from({ length: 5_000 }, () => '"a":1').join(',')}}}`,
  `{"messages":[${Array.from({ length: 8_000 }, () => '{"x":1}').join(',')}]}`,
  `{"prompt":"${'x'.repeat(65_000)}"}`,
  `{"prompt":"a cat","model":"${'m'.repeat(65_000)}"}`,
];

/** @param refusedKey of a caller whose requests are all refused. */
export function attacksBy(refusedKey: string): readonly Attack[] {
  const key = { 'x-api-key': refusedKey };
  return [
    {
      name: 'creates with invented credentials',
      perSecond: 20,
      send: (origin, index) =>
        post(origin, '{"prompt":"a cat"}', { authorization: `Bearer invented-${index}` }),
      forbidden: given,
    },
    {
      name: 'reads of invented ids with invented credentials',
      perSecond: 60,
      send: (origin, index) =>
        statusOf(`${origin}/operations/${String(index).padStart(20, 'f')}`, {
          headers: { authorization: `Bearer invented-${index}` },
        }),
      forbidden: given,
    },
    {
      name: 'refused requests of one caller',
      perSecond: 40,
      send: (origin, index) =>
        post(origin, index % 2 === 0 ? '{"prompt":""}' : '{"prompt":"a cat","colour":"red"}', key),
      forbidden: given,
    },
    {
      name: 'bodies of 64 KiB from one caller',
      perSecond: 20,
      send: (origin, index) => post(origin, largeBodies[index % largeBodies.length] ?? '', key),
      forbidden: given,
    },
  ];
}

/** Idle connections from one address that is not the callers'. @returns How to end them, and how many were kept. */
export async function holdConnections(origin: string, count: number) {
  const { hostname: host, port } = new URL(origin);
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index += 1) {
    const socket = connect({ host, port: Number(port), localAddress: '127.0.0.2' });
    socket.on('error', () => undefined);
    sockets.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  return {
    open: () => sockets.filter(({ readyState }) => readyState === 'open').length,
    end: () => sockets.forEach((socket) => socket.destroy()),
  };
}
