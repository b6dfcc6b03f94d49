import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Reason } from '../../errors/reason.ts';
import { problemKindOf } from '../../schemas/problem-catalog.ts';

/** Why a request was refused before any route saw it. */
export interface EarlyResponse {
  readonly reason: Reason;
  readonly status: 400 | 408 | 417 | 431;
  readonly detail: string;
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

/** What Node's parser or its clock objected to. */
export function earlyResponseFromClientError({ code, rawPacket }: ClientError): EarlyResponse {
  // The parser keeps the method to itself; what it was reading begins with it, mostly.
  const isHead = rawPacket?.subarray(0, 5).toString('latin1') === 'HEAD ';
  if (code === 'HPE_HEADER_OVERFLOW') return { ...headersTooLarge, isHead, cause: code };
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { ...notInTime, cause: code };
  const unreadable = badRequest('this is not an HTTP request the gateway can read');
  return { ...unreadable, isHead, cause: code };
}

interface ClientError extends NodeJS.ErrnoException {
  /** What was being read when it failed. */
  readonly rawPacket?: Buffer;
}

export function badRequest(detail: string): EarlyResponse {
  return { reason: 'invalid_request', status: 400, detail };
}

/** A whole answer with a problem document, as it goes over the wire. */
export function earlyResponseText({ reason, status, detail, isHead = false }: EarlyResponse): {
  readonly text: string;
  readonly requestId: string;
} {
  const requestId = randomUUID();
  const body = JSON.stringify({
    type: `/problems/${reason}`,
    title: problemKindOf(reason).title,
    status,
    code: reason,
    detail,
    instance: '/',
    requestId,
    retryable: false,
    outcome: 'not_started',
  });
  const text = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'cache-control: no-store',
    'connection: close',
    '',
    isHead ? '' : body,
  ].join('\r\n');
  return { text, requestId };
}
