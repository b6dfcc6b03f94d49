import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as TcpServer, type Socket } from 'node:net';
import type { Clock } from '../clock/clock.ts';

export interface ConnectionsOptions {
  readonly clock: Clock;
  /** Called when the last connection is gone. */
  readonly emptied: () => void;
}

/** The state of one connection. */
interface ConnectionUse {
  /** Responses that are not written yet: more than one where a client pipelines. */
  readonly responses: Set<ServerResponse>;
  /** Bytes received when the connection last became idle. */
  bytesRead: number;
  idleSinceMs: number;
  /** Whether a response on it said `Connection: close`. */
  isAskedToClose: boolean;
}

/** A connection with a part of a request gets this many times the idle time. */
const partPatience = 2;
/** Clients that keep connecting must not keep the listening socket open for ever. */
const acceptLooksMax = 100;

/**
 * The connections of a server, which can be closed without losing a request:
 * clients are asked to close theirs, and a connection that we close has been
 * silent for a while.
 *
 * Node's own close() destroys idle connections at once, together with any
 * request that is on the wire.
 */
export class Connections {
  readonly #server: Server;
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<Socket, ConnectionUse>();
  #accepted = 0;
  #isAskingToClose = false;

  constructor(server: Server, options: ConnectionsOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (socket: Socket) => this.#add(socket));
    // Before the routes, which may respond within the same event.
    const follow = (request: IncomingMessage, response: ServerResponse) =>
      this.#follow(request.socket, response);
    // A request with `Expect: 100-continue` has an event of its own.
    for (const event of ['request', 'checkContinue']) server.prependListener(event, follow);
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on every response says `Connection: close` (RFC 9112, section 9.6). */
  askToClose(): void {
    this.#isAskingToClose = true;
    for (const use of this.#open.values()) askToClose(use);
  }

  /** Closes the listening socket and nothing else. */
  async stopListening(): Promise<void> {
    if (!this.#server.listening) return;
    // Connections that the kernel accepted and Node has not taken over yet would be reset.
    const { clock } = this.#options;
    const turn = () => new Promise<void>((resolve) => clock.nextTurn(resolve));
    let accepted = -1;
    for (let look = 0; look < acceptLooksMax && accepted !== this.#accepted; look += 1) {
      accepted = this.#accepted;
      // Two turns: the present one may be past the point where connections come in.
      await turn();
      await turn();
    }
    TcpServer.prototype.close.call(this.#server);
  }

  /** Closes connections that were idle for this long. @returns How many are left. */
  sweep(idleMs: number): number {
    const elapsedMs = this.#options.clock.elapsedMs();
    for (const [socket, use] of this.#open) {
      if (use.responses.size > 0) continue;
      const isInPart = socket.bytesRead !== use.bytesRead;
      const patienceMs = isInPart ? idleMs * partPatience : idleMs;
      if (elapsedMs - use.idleSinceMs >= patienceMs) socket.destroy();
      if (socket.destroyed) this.#remove(socket);
    }
    return this.#open.size;
  }

  /** Closes all connections at once, with what is under way on them. */
  closeAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #add(socket: Socket): void {
    this.#accepted += 1;
    const idleSinceMs = this.#options.clock.elapsedMs();
    this.#open.set(socket, {
      responses: new Set(),
      bytesRead: 0,
      idleSinceMs,
      isAskedToClose: false,
    });
    socket.once('close', () => this.#remove(socket));
  }

  #remove(socket: Socket): void {
    if (this.#open.delete(socket) && this.#open.size === 0) this.#options.emptied();
  }

  #follow(socket: Socket, response: ServerResponse): void {
    const use = this.#open.get(socket);
    if (use === undefined) return;
    use.responses.add(response);
    if (this.#isAskingToClose) askToClose(use);
    response.once('close', () => {
      use.responses.delete(response);
      use.bytesRead = socket.bytesRead;
      use.idleSinceMs = this.#options.clock.elapsedMs();
    });
  }
}

/**
 * Puts `Connection: close` on the response that is under way, if its head is not
 * sent yet. Node ends the connection after it, so it must be the last response.
 */
function askToClose(use: ConnectionUse): void {
  const [response, next] = use.responses;
  if (response === undefined || next !== undefined || use.isAskedToClose || response.headersSent)
    return;
  response.setHeader('connection', 'close');
  use.isAskedToClose = true;
}
