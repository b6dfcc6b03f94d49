import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';

/**
 * A reverse proxy that compresses whatever it may, as nginx, Apache and many
 * CDNs do: it holds an event stream back until gzip has a block full or the
 * response ends. `no-transform` (RFC 9111, section 5.2.2.6) is what stops it.
 */
export class CompressingProxy {
  readonly #target: string;
  readonly #server = createServer((incoming, outgoing) => this.#forward(incoming, outgoing));

  private constructor(target: string) {
    this.#target = target;
  }

  /** @param target Origin of the server behind it. */
  static async open(target: string): Promise<CompressingProxy> {
    const proxy = new CompressingProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url = '/', headers } = incoming;
    const forwarded = request(`${this.#target}${url}`, { method, headers }, (response) => {
      const fields = { ...response.headers };
      if (!mayCompress(incoming, response)) {
        outgoing.writeHead(response.statusCode ?? 502, fields);
        outgoing.flushHeaders();
        pipeline(response, outgoing, () => undefined);
        return;
      }
      // A changed body has another length, and is not the one that a strong ETag names.
      delete fields['content-length'];
      if (fields.etag !== undefined) fields.etag = `W/${fields.etag.replace(/^W\//, '')}`;
      fields['content-encoding'] = 'gzip';
      outgoing.writeHead(response.statusCode ?? 502, fields);
      outgoing.flushHeaders();
      pipeline(response, createGzip(), outgoing, () => undefined);
    });
    forwarded.on('error', () => outgoing.destroy());
    outgoing.on('close', () => forwarded.destroy());
    pipeline(incoming, forwarded, () => undefined);
  }
}

function mayCompress({ headers }: IncomingMessage, response: IncomingMessage): boolean {
  const accepts = /\bgzip\b/.test(headers['accept-encoding'] ?? '');
  const isEncoded = response.headers['content-encoding'] !== undefined;
  const forbids = /\bno-transform\b/.test(response.headers['cache-control'] ?? '');
  return accepts && !isEncoded && !forbids;
}
