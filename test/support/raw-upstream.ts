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
import { hang, type RawAnswer } from './raw-responses.ts';

export type RawMethod = 'Generate' | 'Get' | 'Cancel';

/** One call of which the whole request arrived. */
export interface RawCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Without its five bytes of framing. */
  readonly message: Buffer;
  /** Whether it cost money: a Generate that was not answered with a refusal. */
  readonly isSpent: boolean;
}

const framingBytes = 5;

function wholeLength(framed: Buffer): number {
  return framingBytes + framed.readUInt32BE(1);
}

/**
 * Starts one on loopback.
 *
 * @param port 0 takes any free one.
 * @param certificate makes it speak TLS.
 */
export async function startRawUpstream(
  port = 0,
  certificate?: TestCertificate,
): Promise<RawUpstream> {
  // Node's own limit would answer with ENHANCE_YOUR_CALM before a test orders it.
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
 * An upstream on bare HTTP/2 that misbehaves on order and keeps a ledger of
 * what it was asked and what that cost. A call without an order is never answered.
 */
export class RawUpstream {
  /** The ledger, in order of arrival. */
  readonly calls: RawCall[] = [];
  /** TCP connections accepted. */
  connections = 0;
  /** Streams begun by clients, with or without a request in them. */
  streamsOpened = 0;
  /** Answers a call in place of what was ordered, where it knows an answer. */
  guard: ((headers: IncomingHttpHeaders) => RawAnswer | undefined) | undefined;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #answers = new Map<string, RawAnswer[]>();
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
    server.on('stream', (stream, headers) => this.#take(stream, headers));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As the gateway's settings take it, for plaintext. */
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Generate calls that cost money. */
  get spent(): number {
    return this.calls.filter(({ isSpent }) => isSpent).length;
  }

  /** The answers to the next calls of a method; the last one stays for all that follow. */
  on(method: RawMethod, ...answers: RawAnswer[]): void {
    this.#answers.set(method, answers);
  }

  /** Gives the next streams back unread, with REFUSED_STREAM. */
  refuseStreams(count: number): void {
    this.#refusalsLeft = count;
  }

  /** Breaks every connection off. */
  cut(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** GOAWAY on every connection: the calls begun so far may end, with an error code they end at once. */
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

  #take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    this.streamsOpened += 1;
    stream.on('error', () => undefined);
    if (this.#refusalsLeft > 0) {
      this.#refusalsLeft -= 1;
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const path = String(headers[':path']);
    const method = path.slice(path.lastIndexOf('/') + 1);
    const answer = this.guard?.(headers) ?? this.#nextAnswer(method);
    if (answer.at === 'headers') answer.act(stream, Buffer.alloc(0));
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const request = Buffer.concat(chunks);
      // A stream that is broken off ends too.
      if (request.length < framingBytes || request.length < wholeLength(request)) return;
      const isSpent = method === 'Generate' && !answer.isRefusal;
      const message = request.subarray(framingBytes);
      this.calls.push({ path, headers, message, isSpent });
      // Whoever asked may be gone by now: the work is begun all the same.
      if (answer.at === 'request' && !stream.destroyed) answer.act(stream, message);
    });
  }

  #nextAnswer(method: string): RawAnswer {
    const answers = this.#answers.get(method) ?? [];
    return (answers.length > 1 ? answers.shift() : answers[0]) ?? hang;
  }
}
