import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';

/** Path, file in the folder playground/, media type. */
const files = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/playground.css', 'playground.css', 'text/css; charset=utf-8'],
  ['/playground.js', 'playground.js', 'text/javascript; charset=utf-8'],
  ['/playground-code.js', 'code.js', 'text/javascript; charset=utf-8'],
  ['/playground-events.js', 'events.js', 'text/javascript; charset=utf-8'],
  ['/playground-memory.js', 'memory.js', 'text/javascript; charset=utf-8'],
  ['/playground-requests.js', 'requests.js', 'text/javascript; charset=utf-8'],
] as const;

/** A policy that allows only what this gateway serves: no other host, no inline script, no frame around the page. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/`: a page to try the gateway with. It holds no secret, and can do nothing that its user could not do with curl. */
export async function playgroundRoutes(app: FastifyInstance): Promise<void> {
  for (const [path, name, mediaType] of files) {
    const text = await readFile(new URL(`../playground/${name}`, import.meta.url), 'utf8');
    app.get(path, { config: { access: 'public' } }, async (_request, reply) =>
      reply
        .header('content-type', mediaType)
        .header('content-security-policy', contentSecurityPolicy)
        .header('referrer-policy', 'no-referrer')
        .header('cache-control', 'public, max-age=300')
        .send(text),
    );
  }
}
