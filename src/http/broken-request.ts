import type { Socket } from 'node:net';
import { randomUUID } from 'node:crypto';
import type { Reason } from '../errors/reason.ts';
import type { Log } from '../observability/log.ts';
import { problemKindOf } from '../schemas/problem-kinds.ts';

interface ClientError extends Error {
  readonly code?: string;
}

const reasonOfCode: Readonly<Record<string, readonly [Reason, number, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 431, 'send at most 8 KiB of headers'],
  ERR_HTTP_REQUEST_TIMEOUT: ['invalid_request', 408, 'the request did not arrive in time'],
};

const statusTexts: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/**
 * Answers what is no HTTP request, or not a whole one. It never reaches a
 * route, so the problem document is written to the socket and the connection
 * closed: nothing that follows on it can be trusted.
 */
export function answerBrokenRequests(log: Log) {
  return (error: ClientError, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
      socket.destroy();
      return;
    }
    const [reason, status, detail] = reasonOfCode[error.code ?? ''] ?? [
      'invalid_request',
      400,
      'this is not an HTTP request the gateway can read',
    ];
    const requestId = randomUUID();
    log.info({ requestId, status, reason, cause: error.code }, 'broken request');
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
    socket.end(
      [
        `HTTP/1.1 ${status} ${statusTexts[status] ?? 'Error'}`,
        'content-type: application/problem+json',
        `content-length: ${Buffer.byteLength(body)}`,
        `x-request-id: ${requestId}`,
        'cache-control: no-store',
        'connection: close',
        '',
        body,
      ].join('\r\n'),
    );
  };
}
