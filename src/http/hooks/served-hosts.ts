import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../../errors/gateway-error.ts';
import { isOriginAmong } from '../../text/web-origin.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on the routes of probes, which are served whatever Host they send. */
    anyHost?: true;
  }
}

export interface ServedHosts {
  /** Origin of the gateway's own links. A function, because port 0 is known only after listening. */
  readonly origin: () => string;
  /** Further host names, as `http://name` or `http://*.name`. */
  readonly allowedHosts?: readonly string[] | undefined;
}

/** Ends of names that no one can register, so that no foreign page can have them. */
const localSuffixes = ['.localhost', '.local', '.internal', '.home.arpa', '.svc'];

/**
 * The hook that refuses a Host that is not the gateway's, for gateways without
 * credentials. A page of another site can have its own name resolve to this
 * machine (DNS rebinding): for the browser it is then of one origin with the
 * gateway, and only Host shows the difference. Only dotted names can be used for that.
 *
 * X-Forwarded-Host is never read, because any client can send it.
 */
export function refuseForeignHosts(app: FastifyInstance, hosts: ServedHosts): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { host } = request.headers;
    // Only HTTP/1.0 gets here without one, and no browser sends that.
    const isServed = host === undefined || isServedHost(host, hosts);
    done(isServed || request.routeOptions.config.anyHost === true ? undefined : hostRefused());
  });
}

function isServedHost(host: string, { origin, allowedHosts = [] }: ServedHosts): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (!name.includes('.') || isAddress(name)) return true;
  if (localSuffixes.some((suffix) => name.endsWith(suffix))) return true;
  return name === hostName(new URL(origin()).host) || isOriginAmong(`http://${name}`, allowedHosts);
}

/** The name as a browser compares it: without port, case and last dot; addresses in their usual form. */
function hostName(host: string): string | undefined {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, '') : undefined;
}

function isAddress(name: string): boolean {
  return name.startsWith('[') || isIP(name) !== 0;
}

function hostRefused(): GatewayError {
  const detail =
    'the gateway is not served under this Host; its operator can add the name to ALLOWED_HOSTS';
  return new GatewayError('host_refused', detail);
}
