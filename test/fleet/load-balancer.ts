import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One address in front of several gateways, used in turn. */
export interface LoadBalancer {
  readonly origin: string;
  /** How many requests each gateway got. */
  readonly served: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/**
 * A load balancer that forwards each request to the next gateway that accepts
 * connections. A request that may have reached one is never sent again: its
 * caller sees the connection break, and decides.
 */
export async function startLoadBalancer(origins: () => readonly string[]): Promise<LoadBalancer> {
  const served = new Map<string, number>();
  let turn = 0;
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => attempt(origins().length));

    const attempt = (left: number): void => {
      const live = origins();
      turn += 1;
      const origin = live[turn % Math.max(1, live.length)];
      if (origin === undefined || left <= 0) return void outgoing.destroy();
      const passed = httpRequest(new URL(incoming.url ?? '/', origin), {
        method: incoming.method,
        headers: incoming.headers,
      });
      passed.on('response', (response: IncomingMessage) => {
        served.set(origin, (served.get(origin) ?? 0) + 1);
        outgoing.writeHead(response.statusCode ?? 502, response.rawHeaders);
        response.on('error', () => outgoing.destroy());
        response.pipe(outgoing);
      });
      passed.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') attempt(left - 1);
        else outgoing.destroy();
      });
      passed.end(Buffer.concat(chunks));
    };
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    served,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
