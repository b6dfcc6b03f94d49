import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import { pathOf } from './error-response.ts';

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/**
 * The hook that refuses what no route serves: a wrong method with 405 and
 * Allow, a wrong path with 404. It runs before a body is read, whose form may not
 * decide the response. To be called before the routes are added, whose paths it collects.
 */
export function refuseUnknown(app: FastifyInstance): void {
  const paths = new Map<string, KnownPath>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = paths.get(url) ?? { pattern: patternFromUrl(url), methods: new Set() };
    paths.set(url, known);
    for (const name of [method].flat()) known.methods.add(name);
  });
  app.addHook('onRequest', (request, _reply, done) => {
    done(request.is404 ? unknownRequest(request, paths.values()) : undefined);
  });
  // For routes that find out themselves that they have nothing, such as the files of /docs.
  app.setNotFoundHandler((request) => {
    throw unknownRequest(request, []);
  });
}

function unknownRequest(request: FastifyRequest, paths: Iterable<KnownPath>): GatewayError {
  const path = pathOf(request);
  const methods = new Set<string>();
  for (const known of paths) {
    if (known.pattern.test(path)) for (const method of known.methods) methods.add(method);
  }
  if (methods.size === 0) return new GatewayError('not_found', 'nothing is served at this path');
  const allow = [...methods].toSorted().join(', ');
  return new GatewayError('method_not_allowed', `this path takes ${allow}`, { headers: { allow } });
}

function patternFromUrl(url: string): RegExp {
  const segments = url.split('/').map((segment) => {
    if (segment === '*') return '.*';
    if (!segment.startsWith(':')) return escaped(segment);
    // A parameter; two colons stand for a colon in the path and the text behind it.
    const [, behind] = segment.split('::');
    return behind === undefined ? '[^/]+' : `[^/]+:${escaped(behind)}`;
  });
  return new RegExp(`^${segments.join('/')}$`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
