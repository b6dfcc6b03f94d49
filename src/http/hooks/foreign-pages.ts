import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import { isOriginAmong, webOriginFromText } from '../../text/web-origin.ts';

export interface OwnPages {
  /** Origin of the gateway's own links. A function, because port 0 is known only after listening. */
  readonly origin: () => string;
  /** Origins of other pages that may call. */
  readonly corsOrigins?: readonly string[] | '*' | undefined;
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * The hook that refuses requests that change something and come from a page of
 * another site, for gateways without credentials: a form or an image of any page
 * sends them from its visitor's browser, without a preflight, and would spend.
 */
export function refuseForeignPages(app: FastifyInstance, pages: OwnPages): void {
  app.addHook('onRequest', (request, _reply, done) => {
    done(changesSomething(request) && isForeign(request, pages) ? crossSiteRefused() : undefined);
  });
}

/** By the method, or by the right that the route needs: the vendor cancels with GET too. */
function changesSomething({ method, routeOptions }: FastifyRequest): boolean {
  return !safeMethods.has(method) || routeOptions.config.contract?.access === 'images:create';
}

function isForeign({ headers }: FastifyRequest, { origin, corsOrigins = [] }: OwnPages): boolean {
  const { origin: sender, host = '' } = headers;
  if (sender === undefined) return headers['sec-fetch-site'] === 'cross-site';
  if (isOriginAmong(sender, corsOrigins)) return false;
  const page = webOriginFromText(sender);
  return page === undefined || (page !== new URL(origin()).origin && !isOfHost(page, host));
}

/** Whether the page is of this host, by whichever scheme: a proxy in front may speak TLS. */
function isOfHost(page: string, host: string): boolean {
  return ['http', 'https'].some((scheme) => page === webOriginFromText(`${scheme}://${host}`));
}

function crossSiteRefused(): GatewayError {
  const detail =
    'a page of another site sent this; the operator can add its origin to CORS_ORIGINS, or set PUBLIC_URL where the gateway stands behind a proxy';
  return new GatewayError('cross_site_refused', detail);
}
