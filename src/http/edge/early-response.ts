import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import { errorFormOfPath } from '../../schemas/error-forms/error-forms.ts';
import { errorResponse } from '../error-response.ts';
import { requestIdOf } from '../request-id.ts';
import { canonicalTarget } from './request-target.ts';

/** The reason why a request was refused before any route saw it. */
export interface EarlyResponse {
  readonly reason: Reason;
  readonly status: 400 | 408 | 417 | 431;
  readonly detail: string;
  /** The header that is wrong, where it is one. */
  readonly header?: string | undefined;
  /** Of the request, without its query; absent where it could not be read. */
  readonly path?: string | undefined;
  /** Absent where the headers could not be read: then a new one. */
  readonly requestId?: string | undefined;
  /** Whether it was a HEAD, whose response has no body (RFC 9110, section 9.3.2). */
  readonly isHead?: boolean;
  /** The page that it came from: the `Origin` header, where it could be read. */
  readonly page?: string | undefined;
  /** For the log: the parser's name of the error. */
  readonly cause?: string | undefined;
}

export const headersTooLarge: EarlyResponse = {
  reason: 'headers_too_large',
  status: 431,
  detail: 'send at most 100 header lines and 8 KiB of headers',
};

const notInTime = {
  reason: 'invalid_request',
  status: 408,
  detail: 'the request did not arrive in time',
} as const;

const unreadable: ParserError = { detail: 'this is not an HTTP request the gateway can read' };

interface ParserError {
  readonly detail: string;
  readonly header?: string;
}

/** What is wrong, where Node's parser knows it before the gateway does. */
const parserErrors: Readonly<Record<string, ParserError>> = {
  HPE_UNEXPECTED_CONTENT_LENGTH: {
    detail: 'send Content-Length once, and not together with Transfer-Encoding',
    header: 'Content-Length',
  },
  HPE_INVALID_CONTENT_LENGTH: {
    detail: 'Content-Length is not a whole number',
    header: 'Content-Length',
  },
  HPE_INVALID_TRANSFER_ENCODING: {
    detail: 'send Transfer-Encoding as chunked and nothing else',
    header: 'Transfer-Encoding',
  },
};

/** The early response to an error of Node's parser or of its timeouts. */
export function earlyResponseFromClientError({ code, rawPacket }: ClientError): EarlyResponse {
  const request = { ...requestLineOf(rawPacket), cause: code };
  if (code === 'HPE_HEADER_OVERFLOW') return { ...headersTooLarge, ...request };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { ...notInTime, ...request };
  const { detail, header } = parserErrors[code ?? ''] ?? unreadable;
  return { ...badRequest(detail, header), ...request };
}

/** What the early response and the log need to know of a request whose headers were read. */
export function refusedRequest(
  request: IncomingMessage,
): Pick<EarlyResponse, 'path' | 'isHead' | 'page' | 'requestId'> {
  const { url, method, headers } = request;
  return {
    path: url?.split('?', 1)[0],
    isHead: method === 'HEAD',
    page: headers.origin,
    requestId: requestIdOf(request),
  };
}

const requestLine = /^([A-Z]+) ([^\s?]+)?/;
const requestLineBytesMax = 1_024;

/**
 * Method, path and origin, where they are known: the parser does not report them,
 * but the bytes that it was reading mostly begin with the request. A header that
 * comes in a later packet than the first is not seen.
 */
function requestLineOf(
  packet: Buffer | undefined,
): Pick<EarlyResponse, 'path' | 'isHead' | 'page'> {
  const start = packet?.toString('latin1', 0, requestLineBytesMax) ?? '';
  const [, method, path] = requestLine.exec(start) ?? [];
  const page = method === undefined ? undefined : originHeaderOf(packet);
  return { path, isHead: method === 'HEAD', page };
}

/** Bytes of headers in which the origin is looked for: the parser stops soon after its limit. */
const headBytesMax = 65_536;
const originLine = /\r?\norigin:[ \t]*([^\r\n]+)(?=\r?\n)/gi;

/** The one `Origin` line of a request's head; undefined where there is none, or more than one. */
function originHeaderOf(packet: Buffer | undefined): string | undefined {
  const [head = ''] = packet?.toString('latin1', 0, headBytesMax).split('\r\n\r\n', 1) ?? [];
  const [first, second] = `${head}\r\n`.matchAll(originLine);
  return second === undefined ? first?.[1]?.trim() : undefined;
}

interface ClientError extends NodeJS.ErrnoException {
  /** The bytes that were being read. */
  readonly rawPacket?: Buffer;
}

export function badRequest(detail: string, header?: string): EarlyResponse {
  return { reason: 'invalid_request', status: 400, detail, header };
}

/** What every early response of a server depends on. */
export interface EarlyResponseOptions {
  /** Origin of links. */
  readonly origin: () => string;
  /** The headers with which a page of that origin may read it. */
  readonly pageHeaders: (page: string | undefined) => Readonly<Record<string, string>>;
}

/** A whole HTTP response to a request that no route saw, as it goes over the wire. */
export function earlyResponseText(
  early: EarlyResponse,
  { origin, pageHeaders }: EarlyResponseOptions,
): { readonly text: string; readonly requestId: string } {
  const { reason, status, detail, header, path = '/', isHead = false } = early;
  const { requestId = randomUUID() } = early;
  // The error form is that of the route, however many slashes lead to it.
  const canonicalPath = canonicalTarget(path);
  const violations = header === undefined ? [] : [{ header, code: 'framing', detail }];
  const error = new GatewayError(reason, detail, { outcome: 'not_started', violations });
  const { headers, body } = errorResponse(error, {
    form: errorFormOfPath(canonicalPath),
    requestId,
    path: canonicalPath,
    origin: origin(),
    status,
  });
  const text = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries({ ...headers, ...pageHeaders(early.page) }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    isHead ? '' : body,
  ].join('\r\n');
  return { text, requestId };
}
