import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TestCertificate } from './certificate.ts';
import { hang, type RawResponse } from './raw-responses.ts';

export type RawMethod = 'Generate' | 'Get' | 'Cancel';

/** One call whose whole request arrived. */
export interface RawCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Without its five bytes of framing. */
  readonly message: Buffer;
  /** Whether it cost money: a Generate that was not refused. */
  readonly isSpent: boolean;
}

const framingBytes = 5;

function wholeLength(framed: Buffer): number {
  return framingBytes + framed.readUInt32BE(1);
}

/**
 * Starts a raw upstream on loopback.
 *
 * @param port 0 for any free port.
 * @param certificate switches TLS on.
 */
export async function startRawUpstream(
  port = 0,
  certificate?: TestCertificate,
): Promise<RawUpstream> {
  // Node's default limit would send ENHANCE_YOUR_CALM where a test does not expect it.
  const options = { maxSessionMemory: 256 };
  const server =
    certificate === undefined
      ? createServer(options)
      : createSecureServer({ ...options, cert: certificate.certPem, key: certificate.keyPem });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return new RawUpstream(server);
}

/**
 * An upstream on bare HTTP/2 that misbehaves as a test says and keeps a ledger of
 * its calls and what they cost. A call for which no response is set gets none.
 */
export class RawUpstream {
  /** The ledger, in order of arrival. */
  readonly calls: RawCall[] = [];
  /** TCP connections accepted. */
  connections = 0;
  /** Streams opened by clients, with or without a request in them. */
  streamsOpened = 0;
  /** Chooses a response before those that are set for the method. */
  guard: ((headers: IncomingHttpHeaders) => RawResponse | undefined) | undefined;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #responses = new Map<string, RawResponse[]>();
  #refusalsLeft = 0;

  constructor(server: Http2Server | Http2SecureServer) {
    this.#server = server;
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => undefined);
    });
    server.on('sessionError', () => undefined);
    server.on('connection', () => (this.connections += 1));
    server.on('stream', (stream, headers) => this.#serve(stream, headers));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** In the form of the gateway's settings, for plaintext. */
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Generate calls that cost money. */
  get spent(): number {
    return this.calls.filter(({ isSpent }) => isSpent).length;
  }

  /** Sets the responses to the next calls of a method; the last one stays for all later calls. */
  on(method: RawMethod, ...responses: RawResponse[]): void {
    this.#responses.set(method, responses);
  }

  /** Refuses the next streams unread, with REFUSED_STREAM. */
  refuseStreams(count: number): void {
    this.#refusalsLeft = count;
  }

  /** Closes every connection. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Sends GOAWAY on every connection: calls in flight may end normally, or end at once with an error code. */
  leave(code: number): void {
    for (const session of this.#sessions) {
      if (code === constants.NGHTTP2_NO_ERROR) session.close();
      else session.destroy(undefined, code);
    }
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.streamsOpened += 1;
    stream.on('error', () => undefined);
    if (this.#refusalsLeft > 0) {
      this.#refusalsLeft -= 1;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const path = String(headers[':path']);
    const method = path.slice(path.lastIndexOf('/') + 1);
    const response = this.guard?.(headers) ?? this.#nextResponse(method);
    if (response.at === 'headers') response.act(stream, Buffer.alloc(0));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const request = Buffer.concat(chunks);
      // A stream that is broken off ends here too.
      if (request.length < framingBytes || request.length < wholeLength(request)) return;
      const isSpent = method === 'Generate' && !response.isRefusal;
      const message = request.subarray(framingBytes);
      this.calls.push({ path, headers, message, isSpent });
      // The client may be gone by now: the work was begun nevertheless.
      if (response.at === 'request' && !stream.destroyed) response.act(stream, message);
    });
  }

  #nextResponse(method: string): RawResponse {
    const responses = this.#responses.get(method) ?? [];
    return (responses.length > 1 ? responses.shift() : responses[0]) ?? hang;
  }
}
