import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

/** How the requests of one operation ended at the backend. */
export interface CountedRequests {
  /** Refused before anything was done. */
  refused: number;
  /** An image may have been made, and is billed. */
  billed: number;
}

/** Moments of a request at which a test may end the process that sent it. */
export type RequestMoment = 'request arrived' | 'half a response' | 'response sent';

export interface CountingBackend {
  readonly url: string;
  /** By the operation that asked. */
  readonly requests: ReadonlyMap<string, CountedRequests>;
  /** Called at each moment of each request. */
  reached: (moment: RequestMoment) => void;
  /** Whether some requests are refused or fail. */
  isTroubled: boolean;
  close(): void;
}

/**
 * An image model behind OpenAI's route that bills what it does not refuse.
 * While it is troubled, it refuses some requests as too many or wrong, fails
 * others after the work, breaks the connection, and answers some by URL.
 */
export async function startCountingBackend(random: () => number): Promise<CountingBackend> {
  const pixels = { width: 64, height: 64, channels: 3, background: '#8040c0' } as const;
  const png = await sharp({ create: pixels }).png().toBuffer();
  const requests = new Map<string, CountedRequests>();
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const backend: CountingBackend & { isTroubled: boolean } = {
    ...{ url, requests, reached: () => undefined, isTroubled: true },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') return answerGet(request, response);
    const id = String(request.headers['x-client-request-id'] ?? '');
    const counted = requests.get(id) ?? { refused: 0, billed: 0 };
    requests.set(id, counted);
    for await (const _ of request);
    const chance = backend.isTroubled ? random() : 1;
    if (chance < 0.1) {
      counted.refused += 1;
      return json(
        response,
        429,
        { error: { message: 'too many requests' } },
        { 'retry-after': '1' },
      );
    }
    if (chance < 0.13) {
      counted.refused += 1;
      return json(response, 400, { error: { message: 'wrong', code: 'invalid' } });
    }
    counted.billed += 1;
    backend.reached('request arrived');
    await new Promise((resolve) => setTimeout(resolve, 30 * random()));
    if (chance < 0.16) return json(response, 500, { error: { message: 'out of memory' } });
    if (chance < 0.19) {
      return json(response, 503, { error: { message: 'later' } }, { 'retry-after': '1' });
    }
    if (chance < 0.24) return void response.destroy();
    const image =
      chance < 0.4 ? { url: `${url}/images/${id}.png` } : { b64_json: png.toString('base64') };
    const text = JSON.stringify({ created: 1, data: [image] });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
    response.write(text.slice(0, text.length / 2));
    backend.reached('half a response');
    await new Promise((resolve) => setTimeout(resolve, 2));
    response.end(text.slice(text.length / 2));
    backend.reached('response sent');
  }

  function answerGet({ url: path = '' }: IncomingMessage, response: ServerResponse): void {
    if (!path.startsWith('/images/')) return json(response, 200, { data: [{ id: 'model' }] });
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': png.length });
    response.end(png);
  }

  return backend;
}

function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
