import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../errors/gateway-error.ts';
import { valueFromJsonText } from '../schemas/strict-json.ts';

export const bodyBytesMax = 65_536;
const depthMax = 16;

/**
 * Makes JSON in UTF-8, uncompressed, the only body that the gateway reads.
 *
 * Fastify's own parser keeps the last of two equal keys, rounds long integers,
 * replaces invalid UTF-8 and accepts text/plain: each of these gives a request
 * another meaning than what was sent.
 */
export function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  parseAsJson(app, 'application/json');
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: bodyBytesMax }, refuseOtherType);
  app.addHook('onRequest', (request, _reply, done) => {
    // A request without a body may name any type: `curl -d ''` names a form.
    if (!mayHaveBody(request.headers)) delete request.raw.headers['content-type'];
    done();
  });
}

function mayHaveBody(headers: IncomingHttpHeaders): boolean {
  const length = headers['content-length'] ?? '0';
  return headers['transfer-encoding'] !== undefined || length !== '0';
}

/** The parser of every type that is not JSON: only an empty body in chunks is accepted. */
function refuseOtherType(
  _request: FastifyRequest,
  body: Buffer,
  done: (error: Error | null, body?: unknown) => void,
): void {
  if (body.length === 0) return done(null, undefined);
  done(
    new GatewayError('unsupported_media_type', 'send the body as Content-Type: application/json'),
  );
}

/** Reads form bodies as JSON on the routes of this scope: curl's `-d` names JSON a form. */
export function acceptFormAsJson(scope: FastifyInstance): void {
  parseAsJson(scope, 'application/x-www-form-urlencoded');
}

function parseAsJson(app: FastifyInstance, contentType: string): void {
  app.addContentTypeParser(
    contentType,
    { parseAs: 'buffer', bodyLimit: bodyBytesMax },
    (request, body, done) => {
      try {
        done(null, valueFromBody(body as Buffer, request.headers));
      } catch (error) {
        done(error as Error);
      }
    },
  );
}

/** Undefined for an empty body: only the route knows whether it needs one. */
function valueFromBody(body: Buffer, headers: IncomingHttpHeaders): unknown {
  if (body.length === 0) return undefined;
  refuseOtherEncodings(headers);
  if (!isUtf8(body)) throw new GatewayError('malformed_json', 'the body is not valid UTF-8');
  return valueFromJsonText(body.toString('utf8'), { depthMax });
}

/** Both forms of the parameter (RFC 8187 adds a star). A type that holds several of them names no one charset. */
const charsetPattern = /;\s*charset\*?\s*=\s*"?([^\s";]+)"?/gi;
const utf8Names: ReadonlySet<string> = new Set(['utf-8', 'utf8']);

function refuseOtherEncodings(headers: IncomingHttpHeaders): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== '') {
    throw new GatewayError('unsupported_media_type', 'send the body uncompressed');
  }
  const charsets = [...(headers['content-type'] ?? '').matchAll(charsetPattern)];
  if (!charsets.every(([, name = '']) => utf8Names.has(name.toLowerCase()))) {
    throw new GatewayError('unsupported_media_type', 'send the body in UTF-8');
  }
}
