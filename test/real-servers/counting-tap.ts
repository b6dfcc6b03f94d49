import { createServer, request as send, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands in front of a server, passes everything on, and counts the POSTs by the prompt in them. */
export class CountingTap {
  readonly #counts = new Map<string, number>();
  readonly #server: Server;

  private constructor(target: URL) {
    this.#server = createServer((received, response) => {
      const chunks: Buffer[] = [];
      received.on('data', (chunk: Buffer) => chunks.push(chunk));
      received.on('end', () => {
        const body = Buffer.concat(chunks);
        if (received.method === 'POST') this.#count(body);
        const { method = 'GET', headers, url = '/' } = received;
        const passed = send(new URL(url, target), { method, headers, agent: false }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        });
        passed.on('error', () => response.destroy());
        passed.end(body);
      });
    });
  }

  static async inFrontOf(target: string): Promise<CountingTap> {
    const tap = new CountingTap(new URL(target));
    await new Promise<void>((resolve) => tap.#server.listen(0, '127.0.0.1', resolve));
    return tap;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** POSTs with exactly this prompt, or all of them. */
  posts(prompt?: string): number {
    if (prompt !== undefined) return this.#counts.get(prompt) ?? 0;
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #count(body: Buffer): void {
    const { prompt } = JSON.parse(body.toString('utf8')) as { prompt: string };
    this.#counts.set(prompt, this.posts(prompt) + 1);
  }
}
