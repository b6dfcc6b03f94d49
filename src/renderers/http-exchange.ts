import type { LookupFunction } from 'node:net';
import { Client } from 'undici';

/** One request, with every bound that holds for it. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Of a successful response. */
  readonly bytesMax: number;
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** CA certificates in PEM, in place of Node's. */
  readonly ca?: string | undefined;
  readonly lookup?: LookupFunction;
}

export interface HttpResponse {
  readonly kind: 'response';
  readonly status: number;
  /** Names in lower case; of repeated ones the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether the response said how long it is, so that a cut would have shown. */
  readonly isFramed: boolean;
}

/** How an exchange ended. */
export type HttpEnd =
  | HttpResponse
  /** No byte of the request left this machine. */
  | { readonly kind: 'not_sent'; readonly cause: Error }
  /** The request left, or may have, and there is no whole response. */
  | {
      readonly kind: 'lost';
      readonly how: 'reset' | 'timeout' | 'stopped';
      readonly cause: Error | undefined;
    }
  /** A successful response with more than `bytesMax`. */
  | { readonly kind: 'too_large' };

const connectTimeoutMs = 10_000;
const headerBytesMax = 65_536;
/** Of a response that is no success: enough for its words. */
const errorBytesMax = 65_536;

/**
 * Makes one HTTP request on a connection of its own: no retry, no redirect, no
 * connection kept, nothing compressed.
 *
 * Whether the request was sent is known by undici's `onRequestStart`, never by
 * an error code: a TLS server that wants a client certificate looks like a failed
 * connection and is not.
 */
export function exchange(request: HttpRequest): Promise<HttpEnd> {
  const { url, timeoutMs, ca, lookup, signal } = request;
  const client = new Client(url.origin, {
    ...{ pipelining: 1, allowH2: false, maxHeaderSize: headerBytesMax },
    // One timer of ours bounds the whole; undici's would end a slow image after five minutes.
    ...{ headersTimeout: 0, bodyTimeout: 0, maxResponseSize: -1 },
    autoSelectFamily: true,
    connect: {
      timeout: connectTimeoutMs,
      maxCachedSessions: 0,
      ...(ca === undefined ? {} : { ca }),
      ...(lookup === undefined ? {} : { lookup }),
    },
  });
  return new Promise<HttpEnd>((resolve) => {
    const run = new Exchange(request, resolve);
    const timer = setTimeout(() => run.give('timeout'), timeoutMs);
    const stopped = () => run.give('stopped');
    signal?.addEventListener('abort', stopped);
    run.cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stopped);
      void client.destroy();
    };
    if (signal?.aborted === true) stopped();
    else dispatch(client, request, run);
  });
}

function dispatch(client: Client, request: HttpRequest, run: Exchange): void {
  const { method, url, headers, body } = request;
  try {
    client.dispatch(
      {
        ...{ method, path: `${url.pathname}${url.search}`, reset: true, idempotent: false },
        headers: { ...headers, 'accept-encoding': 'identity' },
        ...(body === undefined ? {} : { body }),
      },
      {
        onRequestStart: (controller) => run.started((reason) => controller.abort(reason)),
        onRequestUpgrade: (_controller, _status, _headers, socket) => {
          socket.destroy();
          run.give('reset');
        },
        onResponseStart: (_controller, status, responseHeaders) =>
          run.head(status, responseHeaders),
        onResponseData: (_controller, chunk) => run.data(chunk),
        onResponseEnd: () => run.end(),
        onResponseError: (_controller, error) => run.give('reset', error),
      },
    );
  } catch (error) {
    run.give('reset', error instanceof Error ? error : new Error(String(error)));
  }
}

/** What has happened so far in one exchange; the first end is the end. */
class Exchange {
  readonly #bytesMax: number;
  readonly #resolve: (end: HttpEnd) => void;
  #isStarted = false;
  #status = 0;
  #headers: Record<string, string> = {};
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #isOver = false;
  cleanUp: () => void = () => undefined;

  constructor({ bytesMax }: HttpRequest, resolve: (end: HttpEnd) => void) {
    this.#bytesMax = bytesMax;
    this.#resolve = resolve;
  }

  /** undici is about to write. A second time would be a second request. */
  started(abort: (reason: Error) => void): void {
    if (!this.#isStarted && !this.#isOver) {
      this.#isStarted = true;
      return;
    }
    abort(new Error('a request is sent once'));
  }

  head(status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void {
    // Interim responses (103) come before the one that counts.
    if (status < 200) return;
    this.#status = status;
    this.#headers = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name.toLowerCase(),
        (Array.isArray(value) ? value[0] : value) ?? '',
      ]),
    );
  }

  data(chunk: Buffer): void {
    if (this.#isOver) return;
    const isSuccess = this.#status < 300;
    const max = isSuccess ? this.#bytesMax : errorBytesMax;
    this.#bytes += chunk.length;
    if (this.#bytes <= max) this.#chunks.push(chunk);
    else if (isSuccess) this.#end({ kind: 'too_large' });
    // The status says what there is to say.
    else this.end();
  }

  end(): void {
    const { 'content-length': length, 'transfer-encoding': coding } = this.#headers;
    this.#end({
      kind: 'response',
      status: this.#status,
      headers: this.#headers,
      body: Buffer.concat(this.#chunks),
      isFramed: length !== undefined || coding !== undefined || this.#status === 204,
    });
  }

  /** Ends without a response. */
  give(how: 'reset' | 'timeout' | 'stopped', cause?: Error): void {
    if (this.#isStarted) this.#end({ kind: 'lost', how, cause });
    else this.#end({ kind: 'not_sent', cause: cause ?? new Error(how) });
  }

  #end(end: HttpEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.cleanUp();
    this.#resolve(end);
  }
}
