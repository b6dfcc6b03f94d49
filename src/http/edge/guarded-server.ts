import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import { Connection } from './connection.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { requestGate } from './request-gate.ts';
import {
  badRequest,
  earlyResponseFromClientError,
  refusedRequest,
  type EarlyResponseOptions,
} from './early-response.ts';
import { limitConnections, type ConnectionObserver } from './connection-limits.ts';
import { cutSlowReaders } from './slow-readers.ts';

export interface GuardedServerOptions extends EarlyResponseOptions {
  readonly limits: EdgeLimits;
  readonly log: Log;
  readonly observer?: ConnectionObserver | undefined;
}

/**
 * An HTTP server that passes on only what is certainly one request, and closes
 * slow and silent connections, before any route runs or anything is spent.
 *
 * @param serve gets the requests that are passed on.
 */
export function openGuardedServer(
  serve: RequestListener,
  { limits, log, origin, pageHeaders, observer }: GuardedServerOptions,
): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.sweepMs,
    // Checked by `framingViolation`, which responds with a problem document.
    requireHostHeader: false,
  });
  const connections = new WeakMap<Socket, Connection>();
  const connectionOf = (socket: Socket): Connection => {
    const known =
      connections.get(socket) ?? new Connection(socket, { log, origin, pageHeaders, ...limits });
    connections.set(socket, known);
    return known;
  };

  const receive = requestGate(serve, { limits, connectionOf });
  server.on('request', receive);
  server.on('checkContinue', receive);
  server.on('checkExpectation', (request: IncomingMessage) => {
    const detail = 'no expectation but 100-continue is met';
    connectionOf(request.socket).refuse({
      ...badRequest(detail),
      ...refusedRequest(request),
      status: 417,
    });
  });
  server.on('connect', (_request, socket) => {
    // Node no longer handles this socket.
    socket.on('error', () => undefined).resume();
    connectionOf(socket as Socket).refuse(badRequest('CONNECT is not served'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) socket.destroy();
    else connectionOf(socket as Socket).refuse(earlyResponseFromClientError(error));
  });
  cutSlowReaders(server, { limits, log });
  limitConnections(server, { limits, log, observer });
  return server;
}
