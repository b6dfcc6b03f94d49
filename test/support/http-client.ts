import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';

export interface HttpRequest {
  readonly agent?: Agent;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
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
 * One request on connections of the caller's choice, which `fetch` does not offer. Never repeated.
 *
 * @throws NoAnswer
 */
export function send(url: string, asked: HttpRequest = {}): Promise<HttpResponse> {
  const { agent, method = asked.body === undefined ? 'GET' : 'POST', headers = {} } = asked;
  const text = asked.body === undefined ? undefined : JSON.stringify(asked.body);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      ...(agent !== undefined && { agent }),
      method,
      headers: {
        ...(text !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
        ...headers,
      },
    });
    const fail = (error: NodeJS.ErrnoException) =>
      reject(new NoResponse(error.code ?? error.message, outgoing.reusedSocket));
    outgoing.on('error', fail);
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
    outgoing.end(text);
  });
}
