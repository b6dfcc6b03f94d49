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

/**
 * An HTTP server that lets through what is surely one request, and cuts who
 * is slow or silent, before any route runs or anything is spent.
 *
 * @param serve gets the requests that were let through.
 */
export function openGuardedServer(
  serve: RequestListener,
  { bounds, log }: { readonly bounds: EdgeLimits; readonly log: Log },
): Server {
  const server = createServer({
    maxHeaderSize: bounds.headerBytesMax,
    headersTimeout: bounds.headersMs,
    requestTimeout: bounds.requestMs,
    keepAliveTimeout: bounds.keepAliveMs,
    connectionsCheckingInterval: bounds.sweepMs,
    // Ours answers with a problem document, and closes.
    requireHostHeader: false,
  });
  server.maxConnections = bounds.connectionsMax;
  const connections = new WeakMap<Socket, Connection>();
  const connectionOf = (socket: Socket): Connection => {
    const known = connections.get(socket) ?? new Connection(socket, { log, ...bounds });
    connections.set(socket, known);
    return known;
  };

  const admits = (request: IncomingMessage, response: ServerResponse): boolean => {
    const connection = connectionOf(request.socket);
    if (connection.isShut) return false;
    const refusal = refusalOf(request, connection, bounds);
    if (refusal !== undefined) {
      connection.refuse({ ...refusal, isHead: request.method === 'HEAD' });
      return false;
    }
    // Answered as though it were not there; Node's parser does not read on behind it.
    connection.admit(response, { isLast: request.headers.upgrade !== undefined });
    return true;
  };

  server.on('request', (request, response) => {
    if (admits(request, response)) serve(request, response);
  });
  server.on('checkContinue', (request, response) => {
    if (!admits(request, response)) return;
    response.writeContinue();
    serve(request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage) => {
    const detail = 'no expectation but 100-continue is met';
    connectionOf(request.socket).refuse({ ...badRequest(detail), status: 417 });
  });
  server.on('connect', (_request, socket) => {
    // Node has let go of it.
    socket.on('error', () => undefined).resume();
    connectionOf(socket as Socket).refuse(badRequest('CONNECT is not served'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || socket.destroyed) socket.destroy();
    else connectionOf(socket as Socket).refuse(earlyResponseFromClientError(error));
  });
  cutSlowReaders(server, { bounds, log });
  tellDropped(server, log);
  return server;
}

function refusalOf(
  request: IncomingMessage,
  { owed }: Connection,
  { headerLinesMax, pipelinedMax }: EdgeLimits,
): EarlyResponse | undefined {
  // Node drops header lines silently when there are very many; one of them may matter.
  if (request.rawHeaders.length > 2 * headerLinesMax) return headersTooLarge;
  const fault = framingViolation(request);
  if (fault !== undefined) return badRequest(fault);
  if (owed < pipelinedMax) return undefined;
  return badRequest(`send at most ${pipelinedMax} requests ahead of their answers`);
}

/** One line a second at most, however many are turned away. */
function tellDropped(server: Server, log: Log): void {
  let dropped = 0;
  let timer: NodeJS.Timeout | undefined;
  server.on('drop', () => {
    dropped += 1;
    timer ??= setTimeout(() => {
      log.warn({ dropped, connectionsMax: server.maxConnections }, 'too many connections');
      dropped = 0;
      timer = undefined;
    }, 1_000).unref();
  });
}
