import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface MetricsServer {
  /** Starts to listen, and resolves with the port. */
  listen(): Promise<number>;
  close(): Promise<void>;
}

/** All metrics, in the text form that Prometheus reads. */
export interface Exposition {
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

const connectionsMax = 64;
const timeoutMs = 5_000;
const sweepMs = 50;

/**
 * The server of GET /metrics and nothing else, on its own port: metrics are for
 * the operator, and a scrape works when the public port accepts nothing more.
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
    (request, response) => void respond(request, response, exposition),
  );
  server.maxConnections = connectionsMax;
  // Of accept, when the process may open no more files. Without a listener it would end the process.
  server.on('error', () => undefined);
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
      // A connection that is just being accepted is not among them yet, and nothing else would close it.
      const sweep = setInterval(() => server.closeAllConnections(), sweepMs);
      await closed;
      clearInterval(sweep);
    },
  };
}

async function respond(
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
