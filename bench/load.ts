import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';

// The load: raw keep-alive connections, so that reading answers costs next to nothing beside making them.

interface Order {
  readonly origin: string;
  /** Requests as they go onto the wire, used in turn. */
  readonly requests: readonly string[];
  readonly connections: number;
  readonly count: number;
  readonly statuses: readonly number[];
  /** Hashes and returns the bodies, and when each answer came. */
  readonly keep?: boolean;
}

export interface LoadResult {
  readonly durationMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  readonly sha256: readonly string[];
  readonly bodies: readonly string[];
  readonly endedAtMs: readonly number[];
}

interface Answer {
  readonly status: number;
  readonly body: Buffer | undefined;
}

const headEnd = Buffer.from('\r\n\r\n');

/** One connection; one request at a time. */
class Connection {
  readonly #socket: Socket;
  #parts: Buffer[] = [];
  #bytes = 0;
  #wanted = 0;
  #status = 0;
  #headBytes = 0;
  #keep = false;
  #resolve: ((answer: Answer) => void) | undefined;

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#socket = connect(Number(port), hostname).setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', () => this.#end({ status: 0, body: undefined }));
    this.#socket.on('close', () => this.#end({ status: 0, body: undefined }));
  }

  request(text: string, keep: boolean): Promise<Answer> {
    this.#keep = keep;
    this.#parts = [];
    this.#bytes = 0;
    this.#wanted = 0;
    this.#socket.write(text, 'latin1');
    return new Promise((resolve) => (this.#resolve = resolve));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#wanted === 0 || this.#keep) this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#wanted === 0) this.#readHead();
    if (this.#wanted === 0 || this.#bytes < this.#wanted) return;
    const body = this.#keep ? Buffer.concat(this.#parts).subarray(this.#headBytes) : undefined;
    this.#end({ status: this.#status, body });
  }

  #readHead(): void {
    const start = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const end = start.indexOf(headEnd);
    if (end < 0) return;
    const head = start.toString('latin1', 0, end);
    this.#status = Number(head.slice(9, 12));
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    this.#headBytes = end + headEnd.length;
    this.#wanted = this.#headBytes + (this.#status === 304 ? 0 : Number(length ?? 0));
  }

  #end(answer: Answer): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(answer);
  }
}

async function run(order: Order): Promise<LoadResult> {
  const connections = Array.from({ length: order.connections }, () => new Connection(order.origin));
  const latenciesMs: number[] = [];
  const endedAtMs: number[] = [];
  const sha256: string[] = [];
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
        const request = order.requests[index % order.requests.length] ?? '';
        const { status, body } = await connection.request(request, order.keep === true);
        latenciesMs.push(performance.now() - beganMs);
        endedAtMs[index] = Date.now();
        if (!order.statuses.includes(status)) failures += 1;
        if (body === undefined) continue;
        sha256[index] = createHash('sha256').update(body).digest('hex');
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
    endedAtMs,
  };
}

process.on('message', (order: Order) => {
  void run(order).then((result) => process.send?.(result));
});
process.send?.({ ready: true });
