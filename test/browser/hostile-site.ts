import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Polyglot } from './polyglots.ts';

/** Elements that load a file of another site; `U` stands for its address. */
const embeds = [
  '<img id="shown" src="U">',
  '<img srcset="U 1x" crossorigin>',
  '<input type="image" src="U">',
  '<svg><image href="U"/></svg>',
  '<svg><use href="U#x"/></svg>',
  '<div style="background:url(U)">.</div>',
  '<iframe src="U"></iframe>',
  '<iframe sandbox="allow-scripts allow-same-origin" src="U"></iframe>',
  '<object data="U"></object>',
  '<object data="U" type="text/html"></object>',
  '<object data="U" type="image/svg+xml"></object>',
  '<embed src="U">',
  '<embed src="U" type="text/html">',
  '<embed src="U" type="application/pdf">',
  '<script src="U"></script>',
  '<script src="U" charset="iso-8859-1"></script>',
  '<script src="U" type="module"></script>',
  '<link rel="stylesheet" href="U">',
  '<link rel="stylesheet" href="U" crossorigin>',
  '<link rel="icon" href="U">',
  '<video poster="U" src="U"></video>',
  '<audio src="U"></audio>',
];

/** How many ways an embedding page tries. */
export const embedCount = embeds.length;

/** A site on an origin of its own that embeds images of the gateway, and counts what runs. */
export class HostileSite {
  /** Times that something which should be inert reported itself. */
  hits = 0;
  /** Served at /careless with the type that makes it run, and without the headers of a careful server. */
  careless: Polyglot | undefined;
  readonly #server = createServer((request, response) => this.#response(request, response));

  static async open(): Promise<HostileSite> {
    const site = new HostileSite();
    await new Promise<void>((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A page with every element that loads this address. */
  embedding(url: string): string {
    return `${this.origin}/embed?url=${encodeURIComponent(url)}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #response(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.origin);
    response.setHeader('cache-control', 'no-store');
    if (pathname === '/hit') {
      this.hits += 1;
      response.end();
      return;
    }
    if (pathname.startsWith('/careless') && this.careless?.runsAs !== undefined) {
      const { runsAs, charset = 'utf-8', bytes } = this.careless;
      response.setHeader('content-type', `${runsAs}; charset=${charset}`);
      response.end(bytes);
      return;
    }
    response.setHeader('content-type', 'text/html; charset=utf-8');
    const url = searchParams.get('url')?.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
    const body = url === undefined ? '' : embeds.join('\n').replaceAll(/\bU\b/g, () => url);
    response.end(`<!doctype html><title>A site</title>${body}`);
  }
}
