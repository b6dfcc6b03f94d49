import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetricsServer {
  /** Listens, and resolves with the port. */
  listen(): Promise<number>;
  close(): Promise<void>;
}

/** What is told, in the form that Prometheus reads. */
export interface Exposition {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

const connectionsMax = 64;
const timeoutMs = 5_000;
const sweepMs = 50;

/**
 * Answers GET /metrics and nothing else, on a port of its own: what it tells is
 * for the operator, and a scrape still works when the public port takes nothing more.
 */
export function metricsServer(
  exposition: Exposition,
  {
    host,
    port,
  }: {
    readonly host: string;
    /** 0 takes any free one. */
    readonly port: number;
  },
): MetricsServer {
  const server = createServer(
    { maxHeaderSize: 8_192, headersTimeout: timeoutMs, requestTimeout: timeoutMs },
    (request, response) => void answer(request, response, exposition),
  );
  server.maxConnections = connectionsMax;
  return {
    async listen() {
      server.listen(port, host);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      // One that is just being accepted is not among them yet, and nothing else would end it any more.
      const sweep = setInterval(() => server.closeAllConnections(), sweepMs);
      await closed;
      clearInterval(sweep);
    },
  };
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { contentType, text }: Exposition,
): Promise<void> {
  if (url?.split('?')[0] !== '/metrics') return end(response, 404, 'only /metrics is here\n');
  if (method !== 'GET') return end(response.setHeader('allow', 'GET'), 405, 'only GET\n');
  try {
    const body = await text();
    end(response.setHeader('content-type', contentType), 200, body);
  } catch {
    end(response, 500, 'the metrics could not be collected\n');
  }
}

function end(response: ServerResponse, statusCode: number, body: string): void {
  response.statusCode = statusCode;
  response.setHeader('content-length', Buffer.byteLength(body)).end(body);
}
