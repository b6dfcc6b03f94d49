import {
  request as httpRequest,
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';

/** What `send` sends. */
export interface HttpRequest {
  /** Which connections may carry it; without one, Node's own choice. */
  readonly agent?: Agent;
  /** GET without a body and POST with one, unless set. */
  readonly method?: string;
  /** As it goes into the request line, in place of the URL's path. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON; bytes are sent as they are. */
  readonly body?: unknown;
  /** Fails with ETIMEDOUT when the connection is silent for that long. */
  readonly limitMs?: number;
}

/** A whole response, read to its end. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the connection had carried a request before. */
  readonly isReused: boolean;
}

/** The failure of a request that got no whole response. */
export class NoResponse extends Error {
  override readonly name = 'NoAnswer';
  /** Of the system or of Node: ECONNREFUSED, ECONNRESET. */
  readonly code: string;
  readonly isReused: boolean;

  constructor(code: string, isReused: boolean) {
    super(`no response: ${code}`);
    this.code = code;
    this.isReused = isReused;
  }
}

/**
 * Sends one request on connections of the caller's choice, with any method and
 * path, which `fetch` does not offer. Never repeated.
 *
 * @throws NoResponse
 */
export function send(url: string, request: HttpRequest = {}): Promise<HttpResponse> {
  const { agent, method = request.body === undefined ? 'GET' : 'POST', path, limitMs } = request;
  const { bytes, headers } = bodyOf(request);
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, {
      ...(agent !== undefined && { agent }),
      ...(path !== undefined && { path }),
      method,
      headers: { ...headers, ...(request.headers as Record<string, string | string[]>) },
    });
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new NoResponse(error.code ?? error.message, outgoing.reusedSocket));
    outgoing.on('error', fail);
    if (limitMs !== undefined) {
      outgoing.setTimeout(limitMs, () => {
        outgoing.destroy(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' }));
      });
    }
    outgoing.on('response', (incoming: IncomingMessage) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', fail);
      incoming.on('end', () =>
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: Buffer.concat(chunks),
          isReused: outgoing.reusedSocket,
        }),
      );
    });
    outgoing.end(bytes);
  });
}

/** The body as bytes, and the headers that go with JSON. */
function bodyOf({ body }: HttpRequest): {
  readonly bytes?: Buffer;
  readonly headers: Readonly<Record<string, string>>;
} {
  if (body === undefined) return { headers: {} };
  if (Buffer.isBuffer(body)) return { bytes: body, headers: {} };
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { 'content-type': 'application/json', 'content-length': String(bytes.length) };
  return { bytes, headers };
}
