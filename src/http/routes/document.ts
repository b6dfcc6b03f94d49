import swagger, { type StaticDocumentSpec } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { openApi30Document, openApiDocument } from '../../schemas/document.ts';

/**
 * Policy of the documentation page: its own files and this gateway, nothing
 * else. Inline are styles only, which the page's code sets on elements. The
 * policy of the package itself would turn every http request into https.
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

/** /openapi.json, /openapi-3.0.json and /docs: made from the contracts, served from this origin. */
export async function documentRoutes(app: FastifyInstance): Promise<void> {
  // These pages say what the gateway can do, which is no secret.
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
  // The types of the package know OpenAPI 3.0 only, but it serves any document.
  const specification = { document } as unknown as StaticDocumentSpec;
  await app.register(swagger, { mode: 'static', specification });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: contentSecurityPolicy,
    uiConfig: {
      // The public validator is on another host.
      validatorUrl: null,
      tryItOutEnabled: true,
    },
  });
}
