import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { openApi30Document, openApiDocument } from '../../schemas/document.ts';

/**
 * The page's own files and this gateway, nothing else. Its code sets styles on
 * elements, which is the one thing inline; the package's own policy would also
 * turn every http request into https.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** /openapi.json, /openapi-3.0.json and /docs, all from the contracts and from this origin. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  // What the gateway can do is no secret, and its pages have nothing else in them.
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, access: 'public' };
  });
  const document = openApiDocument();
  const serveDocument = (path: string, json: string) =>
    app.get(path, async (_request, reply) =>
      reply
        .header('content-type', 'application/json; charset=utf-8')
        .header('cache-control', 'public, max-age=300')
        .send(json),
    );
  serveDocument('/openapi.json', JSON.stringify(document));
  serveDocument('/openapi-3.0.json', JSON.stringify(openApi30Document()));
  // The plugin's types know OpenAPI 3.0 only; what it serves is whatever it is given.
  const specification = { document } as unknown as StaticDocumentSpec;
  await app.register(swagger, { mode: 'static', specification });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: contentSecurityPolicy,
    uiConfig: {
      // The public validator would be a request to another host.
      validatorUrl: null,
      tryItOutEnabled: true,
    },
  });
}
