import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import { Connection } from './connection.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { framingViolation } from './framing-violation.ts';
import {
  badRequest,
  headersTooLarge,
  earlyResponseFromClientError,
  type EarlyResponse,
} from './early-response.ts';
import { cutSlowReaders } from './slow-readers.ts';

export interface GuardedServerOptions {
  readonly limits: EdgeLimits;
  readonly log: Log;
  /** Origin of links; asked at each use, because port 0 is known only after listening. */
  readonly origin: () => string;
}

/**
 * An HTTP server that passes on only what is certainly one request, and closes
 * slow and silent connections, before any route runs or anything is spent.
 *
 * @param serve gets the requests that are passed on.
 */
export function openGuardedServer(
  serve: RequestListener,
  { limits, log, origin }: GuardedServerOptions,
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
  server.maxConnections = limits.connectionsMax;
  const connections = new WeakMap<Socket, Connection>();
  const connectionOf = (socket: Socket): Connection => {
    const known = connections.get(socket) ?? new Connection(socket, { log, origin, ...limits });
    connections.set(socket, known);
    return known;
  };

  /** Passes a request on, or refuses it. */
  const passesOn = (request: IncomingMessage, response: ServerResponse): boolean => {
    const connection = connectionOf(request.socket);
    if (connection.isShut) return false;
    const early = earlyResponseTo(request, connection, limits);
    if (early !== undefined) {
      connection.refuse({ ...early, ...requestLineOf(request) });
      return false;
    }
    // An offer to upgrade is ignored, but Node's parser reads nothing behind it.
    connection.follow(response, { isLast: request.headers.upgrade !== undefined });
    return true;
  };

  server.on('request', (request, response) => {
    if (passesOn(request, response)) serve(request, response);
  });
  server.on('checkContinue', (request, response) => {
    if (!passesOn(request, response)) return;
    response.writeContinue();
    serve(request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage) => {
    const detail = 'no expectation but 100-continue is met';
    connectionOf(request.socket).refuse({
      ...badRequest(detail),
      ...requestLineOf(request),
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
  logDroppedConnections(server, log);
  return server;
}

function requestLineOf({ url, method }: IncomingMessage): Pick<EarlyResponse, 'path' | 'isHead'> {
  return { path: url?.split('?', 1)[0], isHead: method === 'HEAD' };
}

function earlyResponseTo(
  request: IncomingMessage,
  { pending }: Connection,
  { headerLinesMax, pipelinedMax }: EdgeLimits,
): EarlyResponse | undefined {
  // Node drops header lines silently when there are very many, and one of them may be a framing header.
  if (request.rawHeaders.length > 2 * headerLinesMax) return headersTooLarge;
  const violation = framingViolation(request);
  if (violation !== undefined) return badRequest(violation);
  if (pending < pipelinedMax) return undefined;
  return badRequest(`send at most ${pipelinedMax} requests ahead of their responses`);
}

/** Logs how many connections were dropped: at most one line a second. */
function logDroppedConnections(server: Server, log: Log): void {
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  server.on('drop', () => {
    dropped += 1;
    timer ??= setTimeout(() => {
      log.warn(
        { dropped, connectionsMax: server.maxConnections },
        'connections dropped: too many are open',
      );
      dropped = 0;
      timer = undefined;
    }, 1_000).unref();
  });
}
