import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { FuzzedResponse } from './fuzzed-gateway.ts';

export interface SentRequest {
  readonly method: string;
  /** As it goes into the request line: visible latin1 without spaces. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** A client of Node's own on one kept connection. */
export class SocketClient {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #origin: URL;

  constructor(origin: URL) {
    this.#origin = origin;
  }

  async ask(sent: SentRequest): Promise<FuzzedResponse> {
    try {
      return await this.#ask(sent);
    } catch {
      // A kept connection may have been closed as it was taken: the next one is new.
      return this.#ask(sent);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask({ method, path, headers, body }: SentRequest): Promise<FuzzedResponse> {
    return new Promise((resolve, reject) => {
      const { hostname: host, port } = this.#origin;
      const mutable = headers as Record<string, string | string[]>;
      const options = { host, port, method, path, headers: mutable, agent: this.#agent };
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => resolve(answerOf(response.statusCode, response.headers, chunks)));
      });
      request.on('error', reject);
      request.setTimeout(5_000, () => request.destroy(new Error('no response within 5 s')));
      request.end(body === undefined ? undefined : Buffer.from(body, 'latin1'));
    });
  }
}

function answerOf(
  status: number | undefined,
  headers: IncomingHttpHeaders,
  chunks: readonly Buffer[],
): FuzzedResponse {
  return { status: status ?? 0, headers, body: Buffer.concat(chunks) };
}

/**
 * Writes the bytes to a connection of their own, says that no more will come,
 * and reads until the other side has closed too.
 *
 * @param writes In so many pieces, each in a packet of its own as far as that can be had.
 */
export function exchange(origin: URL, writes: readonly Buffer[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: origin.hostname, port: Number(origin.port), noDelay: true });
    const chunks: Buffer[] = [];
    socket.setTimeout(5_000, () => {
      socket.destroy();
      reject(new Error('the connection was still open after 5 s'));
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The gateway may close before it has read everything: what it said until then counts.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks)));
    socket.on('connect', () => {
      const [first = Buffer.alloc(0), ...rest] = writes;
      socket.write(first);
      const next = () => {
        const piece = rest.shift();
        if (piece === undefined || socket.destroyed) return void socket.end();
        socket.write(piece);
        setImmediate(next);
      };
      setImmediate(next);
    });
  });
}
