import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Connection } from './connection.ts';
import {
  badRequest,
  headersTooLarge,
  refusedRequest,
  type EarlyResponse,
} from './early-response.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { bodyViolation, framingViolation, type FramingViolation } from './framing-violation.ts';

export interface RequestGateOptions {
  readonly limits: EdgeLimits;
  readonly connectionOf: (socket: Socket) => Connection;
}

/**
 * The listener that passes a request on to `serve` if it is certainly one
 * request, in its turn on the connection, and refuses it otherwise.
 */
export function requestGate(
  serve: RequestListener,
  { limits, connectionOf }: RequestGateOptions,
): RequestListener {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connectionOf(request.socket);
    const refuse = (early: EarlyResponse) =>
      connection.refuse({ ...early, ...refusedRequest(request) });
    const passOn = () => {
      // An offer to upgrade is ignored, but Node's parser reads nothing behind it.
      const isLast = request.headers.upgrade !== undefined || request.httpVersion === '1.0';
      connection.follow(response, { isLast });
      if (asksToContinue(request)) response.writeContinue();
      serve(request, response);
    };
    connection.inTurn(() => {
      if (connection.isShut) return;
      const early = earlyResponseTo(request, connection, limits);
      if (early !== undefined) return refuse(early);
      if (!mayHaveForbiddenBody(request)) return passOn();
      const release = connection.hold();
      whenBodyIsKnown(request, (isEmpty) => {
        const violation = bodyViolation(request.method ?? '');
        if (!isEmpty) refuse(badRequest(violation.detail, violation.header));
        else if (!connection.isShut) passOn();
        release();
      });
    });
  };
}

function asksToContinue({ headers, httpVersion }: IncomingMessage): boolean {
  return httpVersion === '1.1' && headers.expect?.toLowerCase() === '100-continue';
}

/** The violation of a client that would wait for leave to send a body that is not served. */
function unaskedBody(request: IncomingMessage): FramingViolation | undefined {
  const isWaiting = mayHaveForbiddenBody(request) && asksToContinue(request);
  return isWaiting ? bodyViolation(request.method ?? '') : undefined;
}

/** Whether the request is a GET or HEAD in chunks: its headers do not say whether it has a body. */
function mayHaveForbiddenBody({ method, headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined && (method === 'GET' || method === 'HEAD');
}

/** Calls back once, when the body has its first byte or its end. */
function whenBodyIsKnown(request: IncomingMessage, known: (isEmpty: boolean) => void): void {
  let isKnown = false;
  const settle = (isEmpty: boolean) => {
    if (!isKnown) known(isEmpty);
    isKnown = true;
  };
  request.on('data', () => settle(false)).once('end', () => settle(true));
}

function earlyResponseTo(
  request: IncomingMessage,
  { pending }: Connection,
  { headerLinesMax, pipelinedMax }: EdgeLimits,
): EarlyResponse | undefined {
  // Node drops header lines silently when there are very many, and one of them may be a framing header.
  if (request.rawHeaders.length > 2 * headerLinesMax) return headersTooLarge;
  const violation = framingViolation(request) ?? unaskedBody(request);
  if (violation !== undefined) return badRequest(violation.detail, violation.header);
  if (pending < pipelinedMax) return undefined;
  return badRequest(`send at most ${pipelinedMax} requests ahead of their responses`);
}
