import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import { errorFormOfPath } from '../../schemas/error-forms/error-forms.ts';
import { errorResponse } from '../error-response.ts';

/** Why a request was refused before any route saw it. */
export interface EarlyResponse {
  readonly reason: Reason;
  readonly status: 400 | 408 | 417 | 431;
  readonly detail: string;
  /** Of the request, without its query; absent where it could not be read. */
  readonly path?: string | undefined;
  /** Whether it was a HEAD, whose answer has no body (RFC 9110, section 9.3.2). */
  readonly isHead?: boolean;
  /** For the log: what the parser called it. */
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

/** The early response to what Node's parser, or its clock, objected to. */
export function earlyResponseFromClientError({ code, rawPacket }: ClientError): EarlyResponse {
  const request = { ...requestLineOf(rawPacket), cause: code };
  if (code === 'HPE_HEADER_OVERFLOW') return { ...headersTooLarge, ...request };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { ...notInTime, ...request };
  return { ...badRequest('this is not an HTTP request the gateway can read'), ...request };
}

const requestLine = /^([A-Z]+) ([^\s?]+)?/;
const requestLineBytesMax = 1_024;

/**
 * Method and path, as far as they can be told: the parser keeps them to itself,
 * but what it was reading begins with them, mostly.
 */
function requestLineOf(packet: Buffer | undefined): Pick<EarlyResponse, 'path' | 'isHead'> {
  const start = packet?.toString('latin1', 0, requestLineBytesMax) ?? '';
  const [, method, path] = requestLine.exec(start) ?? [];
  return { path, isHead: method === 'HEAD' };
}

interface ClientError extends NodeJS.ErrnoException {
  /** What was being read when it failed. */
  readonly rawPacket?: Buffer;
}

export function badRequest(detail: string): EarlyResponse {
  return { reason: 'invalid_request', status: 400, detail };
}

/** A whole HTTP response to a request that no route saw, as it goes over the wire. */
export function earlyResponseText(
  { reason, status, detail, path = '/', isHead = false }: EarlyResponse,
  origin: string,
): { readonly text: string; readonly requestId: string } {
  const requestId = randomUUID();
  const error = new GatewayError(reason, detail, { outcome: 'not_started' });
  const { headers, body } = errorResponse(error, {
    form: errorFormOfPath(path),
    requestId,
    path,
    origin,
    status,
  });
  const text = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    isHead ? '' : body,
  ].join('\r\n');
  return { text, requestId };
}
