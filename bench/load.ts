import { createHash } from 'node:crypto';
import { Connection } from './connection.ts';

// The load: raw keep-alive connections, so that reading responses costs next to nothing beside making them.

interface Order {
  readonly origin: string;
  /** Requests as they go onto the wire, used in turn. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly count: number;
  readonly statuses: readonly number[];
  /** Hashes and returns the bodies. */
  readonly keep?: boolean;
  /** Uses the connections that an earlier `open` left open. */
  readonly opened?: boolean;
}

/** Opens connections a few at a time, so that none is turned away, and leaves them open. */
interface OpenOrder {
  readonly open: number;
  readonly origin: string;
}

export interface LoadResult {
  readonly durationMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  readonly sha256: readonly string[];
  readonly bodies: readonly string[];
  /** Of the image within a JSON body, decoded; empty where there is none. */
  readonly inlineSha256: readonly string[];
  /** When each request was sent, and when its response was there. */
  readonly beganAtMs: readonly number[];
  readonly endedAtMs: readonly number[];
}

const opening = 100;
let held: Connection[] = [];

async function open({ open: count, origin }: OpenOrder): Promise<void> {
  while (held.length < count) {
    const batch = Array.from(
      { length: Math.min(opening, count - held.length) },
      () => new Connection(origin),
    );
    await Promise.all(batch.map((connection) => connection.opened()));
    held.push(...batch);
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Of the image that a JSON body carries as base64. */
function inlineSha256Of(body: Buffer): string {
  if (body[0] !== 0x7b) return '';
  const { response } = JSON.parse(body.toString()) as { response?: { image?: string } };
  return response?.image === undefined ? '' : sha256Of(Buffer.from(response.image, 'base64'));
}

function connectionsFor(order: Order): Connection[] {
  if (order.opened !== true)
    return Array.from({ length: order.connections }, () => new Connection(order.origin));
  const connections = held;
  held = [];
  return connections;
}

async function run(order: Order): Promise<LoadResult> {
  const connections = connectionsFor(order);
  const latenciesMs: number[] = [];
  const beganAtMs: number[] = [];
  const endedAtMs: number[] = [];
  const sha256: string[] = [];
  const inlineSha256: string[] = [];
  const bodies: string[] = [];
  let failures = 0;
  let next = 0;
  const startMs = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      while (next < order.count) {
        const index = next;
        next += 1;
        const beganMs = performance.now();
        beganAtMs[index] = Date.now();
        const request = order.requests[index % order.requests.length] ?? '';
        const { status, body } = await connection.request(request, order.keep === true);
        latenciesMs.push(performance.now() - beganMs);
        endedAtMs[index] = Date.now();
        if (!order.statuses.includes(status)) failures += 1;
        if (body === undefined) continue;
        sha256[index] = sha256Of(body);
        inlineSha256[index] = inlineSha256Of(body);
        bodies[index] = body.length < 10_000 ? body.toString() : '';
      }
      connection.close();
    }),
  );
  const durationMs = performance.now() - startMs;
  latenciesMs.sort((a, b) => a - b);
  const quantile = (share: number) =>
    latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? Number.NaN;
  return {
    durationMs,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    failures,
    sha256,
    bodies,
    inlineSha256,
    beganAtMs,
    endedAtMs,
  };
}

process.on('message', (order: Order | OpenOrder) => {
  const done = 'open' in order ? open(order).then(() => ({})) : run(order);
  void done.then((result) => process.send?.(result));
});
process.send?.({ ready: true });
// Ends with the process that started it.
process.on('disconnect', () => process.exit());
