import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as TcpServer, type Socket } from 'node:net';
import type { Clock } from '../clock/clock.ts';

export interface ConnectionsOptions {
  readonly clock: Clock;
  /** Told when the last connection is gone. */
  readonly emptied: () => void;
}

/** What is known of one connection. */
interface Use {
  /** Answers that are not written yet: more than one where a client pipelines. */
  readonly answers: Set<ServerResponse>;
  /** Bytes received when it was last seen idle. */
  bytesRead: number;
  idleSinceMs: number;
  /** Whether its client has been told to let go of it. */
  isTold: boolean;
}

/** A part of a request is given so many times as long as silence. */
const partPatience = 2;
/** Clients that go on connecting do not keep it open for ever. */
const acceptLooksMax = 100;

/**
 * The connections of a server, which end without a request being lost: clients
 * are told to let go, and a connection that is closed all the same has been
 * silent for a while.
 *
 * Node's own close() destroys idle connections at once, with whatever request
 * is on the wire.
 */
export class Connections {
  readonly #server: Server;
  readonly #options: ConnectionsOptions;
  readonly #open = new Map<Socket, Use>();
  #accepted = 0;
  #isLettingGo = false;

  constructor(server: Server, options: ConnectionsOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (socket: Socket) => this.#add(socket));
    // Before the routes: they may answer within the same event.
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#follow(request.socket, response),
    );
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on every answer says `Connection: close` (RFC 9112, section 9.6). */
  letGo(): void {
    this.#isLettingGo = true;
    for (const use of this.#open.values()) tell(use);
  }

  /** Closes the listening socket and nothing else. */
  async stopListening(): Promise<void> {
    if (!this.#server.listening) return;
    // What the kernel has accepted, and Node takes over one in a turn, would be reset.
    const { clock } = this.#options;
    const turn = () => new Promise<void>((resolve) => clock.nextTurn(resolve));
    let accepted = -1;
    for (let look = 0; look < acceptLooksMax && accepted !== this.#accepted; look += 1) {
      accepted = this.#accepted;
      // The turn that is under way may be past the point where connections come in.
      await turn();
      await turn();
    }
    TcpServer.prototype.close.call(this.#server);
  }

  /** Closes those that were idle for so long. @returns How many are left. */
  sweep(idleMs: number): number {
    const nowMs = this.#options.clock.nowMs();
    for (const [socket, use] of this.#open) {
      if (use.answers.size > 0) continue;
      const isInPart = socket.bytesRead !== use.bytesRead;
      const patienceMs = isInPart ? idleMs * partPatience : idleMs;
      if (nowMs - use.idleSinceMs >= patienceMs) socket.destroy();
      if (socket.destroyed) this.#remove(socket);
    }
    return this.#open.size;
  }

  /** Breaks all of them off. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #add(socket: Socket): void {
    this.#accepted += 1;
    const idleSinceMs = this.#options.clock.nowMs();
    this.#open.set(socket, { answers: new Set(), bytesRead: 0, idleSinceMs, isTold: false });
    socket.once('close', () => this.#remove(socket));
  }

  #remove(socket: Socket): void {
    if (this.#open.delete(socket) && this.#open.size === 0) this.#options.emptied();
  }

  #follow(socket: Socket, response: ServerResponse): void {
    const use = this.#open.get(socket);
    if (use === undefined) return;
    use.answers.add(response);
    if (this.#isLettingGo) tell(use);
    response.once('close', () => {
      use.answers.delete(response);
      use.bytesRead = socket.bytesRead;
      use.idleSinceMs = this.#options.clock.nowMs();
    });
  }
}

/**
 * Puts it on the answer that is under way, if that can be done still. Node ends
 * the connection after such an answer, so it must be the last one.
 */
function tell(use: Use): void {
  const [response, next] = use.answers;
  if (response === undefined || next !== undefined || use.isTold || response.headersSent) return;
  response.setHeader('connection', 'close');
  use.isTold = true;
}
