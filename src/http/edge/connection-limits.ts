import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { descriptorsLeft, isOutOfDescriptors } from './file-descriptors.ts';
import { peerAddress } from './peer-address.ts';

/**
 * Why a connection is closed or not taken. `limit`: too many in all. `peer`: too
 * many of one address. `idle`: it makes room for new ones. `descriptors`: the
 * process had no file descriptor left at a check, so the system closed
 * connections that the gateway never saw. `accept`: the system could not hand one over.
 */
export type ConnectionLoss = 'limit' | 'peer' | 'idle' | 'descriptors' | 'accept';

/** The receiver of lost connections, for metrics. */
export interface ConnectionObserver {
  connectionLost(loss: ConnectionLoss): void;
}

export interface ConnectionLimitsOptions {
  readonly limits: EdgeLimits;
  readonly log: Log;
  readonly observer?: ConnectionObserver | undefined;
}

/** Of all connections: from here on idle ones are closed, the longest idle first. */
const nearRatio = 0.9;
/** Descriptors that connections leave to the upstream, the store and files. */
const descriptorsKept = 64;
const connectionsMin = 16;
/** Connections that are closed when a check finds no descriptor left. */
const idleClosedMax = 64;
const logEveryMs = 1_000;

/**
 * Keeps the connections of a server within the limits: one peer can't hold all
 * of them, and idle ones make room for new ones. Every connection that is lost
 * is counted and logged, also those that Node and the system drop silently.
 */
export function limitConnections(server: Server, options: ConnectionLimitsOptions): void {
  const { limits, log } = options;
  const losses = new LossLog(server, options);
  const connections = new OpenConnections();
  server.maxConnections = limits.connectionsMax;

  server.on('connection', (socket) => {
    const address = peerAddress(socket.remoteAddress);
    const isTooMany = connections.add(socket, address) > limits.connectionsPerPeerMax;
    // A peer's own idle connection goes before its new one.
    if (isTooMany && connections.closeIdle(1, address) === 0) {
      losses.add('peer', address);
      socket.destroy();
      return;
    }
    if (isTooMany) return losses.add('idle');
    if (connections.size <= server.maxConnections * nearRatio) return;
    if (connections.closeIdle(1) > 0) losses.add('idle');
  });
  const follow = (request: IncomingMessage, response: ServerResponse) =>
    connections.follow(request.socket, response);
  // A request with `Expect: 100-continue` has an event of its own.
  for (const event of ['request', 'checkContinue']) server.on(event, follow);

  server.on('drop', () => losses.add('limit'));
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'accept') losses.add('accept');
  });

  let timer: NodeJS.Timeout | undefined;
  server.on('listening', () => {
    const left = descriptorsLeft() ?? Infinity;
    const possible = Math.max(connectionsMin, left - descriptorsKept);
    if (possible < limits.connectionsMax) {
      server.maxConnections = possible;
      // Later, because the first line of the log says where the gateway listens.
      setTimeout(() => {
        log.warn(
          { connectionsMax: limits.connectionsMax, possible },
          'fewer connections than CONNECTIONS_MAX: the process may not open more files (ulimit -n)',
        );
      }, limits.sweepMs).unref();
    }
    timer = setInterval(() => void check(), limits.sweepMs).unref();
  });
  server.on('close', () => clearInterval(timer));

  let isChecking = false;
  /** The system accepts and closes connections for which there is no descriptor, and reports nothing. */
  const check = async (): Promise<void> => {
    if (isChecking) return;
    isChecking = true;
    const isOut = await isOutOfDescriptors();
    isChecking = false;
    if (!isOut) return;
    losses.add('descriptors');
    for (let count = connections.closeIdle(idleClosedMax); count > 0; count -= 1) {
      losses.add('idle');
    }
  };
}

interface Peer {
  open: number;
  /** The longest idle first. */
  readonly idle: Set<Socket>;
}

interface OpenConnection {
  readonly peer: Peer;
  /** Responses under way. */
  pending: number;
  /** Bytes received when it became idle. */
  bytesRead: number;
}

/** The open connections of a server, by peer, and which of them are idle. */
class OpenConnections {
  readonly #peers = new Map<string, Peer>();
  readonly #open = new Map<Socket, OpenConnection>();
  /** Of all peers, the longest idle first. */
  readonly #idle = new Set<Socket>();

  get size(): number {
    return this.#open.size;
  }

  /** @returns How many this peer has now. */
  add(socket: Socket, address: string): number {
    const peer = this.#peers.get(address) ?? { open: 0, idle: new Set() };
    this.#peers.set(address, peer);
    peer.open += 1;
    this.#open.set(socket, { peer, pending: 0, bytesRead: 0 });
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#setIdle(socket, peer, false);
      peer.open -= 1;
      if (peer.open === 0) this.#peers.delete(address);
    });
    return peer.open;
  }

  /** Follows a request to the end of its response: then the connection is idle, if it has no other. */
  follow(socket: Socket, response: ServerResponse): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.pending += 1;
    this.#setIdle(socket, connection.peer, false);
    response.once('close', () => {
      connection.pending -= 1;
      connection.bytesRead = socket.bytesRead;
      const isIdle = connection.pending === 0 && !socket.destroyed;
      if (isIdle) this.#setIdle(socket, connection.peer, true);
    });
  }

  /**
   * Closes idle connections, the longest idle first.
   *
   * @param address of the peer whose connections may be closed; absent: everyone's.
   * @returns How many.
   */
  closeIdle(countMax: number, address?: string): number {
    const idle = address === undefined ? this.#idle : this.#peers.get(address)?.idle;
    let closed = 0;
    for (const socket of idle ?? []) {
      if (closed === countMax) break;
      const connection = this.#open.get(socket);
      if (connection !== undefined) this.#setIdle(socket, connection.peer, false);
      // Bytes of the next request have come: it is not idle.
      if (socket.bytesRead !== connection?.bytesRead) continue;
      socket.destroy();
      closed += 1;
    }
    return closed;
  }

  #setIdle(socket: Socket, { idle }: Peer, isIdle: boolean): void {
    for (const sockets of [this.#idle, idle]) {
      if (isIdle) sockets.add(socket);
      else sockets.delete(socket);
    }
  }
}

/** Counts lost connections, and logs them in one line a second at most. */
class LossLog {
  readonly #server: Server;
  readonly #options: ConnectionLimitsOptions;
  #counts: Partial<Record<ConnectionLoss, number>> = {};
  #peer: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(server: Server, options: ConnectionLimitsOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** @param peer whose connection was lost, where it has too many. */
  add(loss: ConnectionLoss, peer?: string): void {
    this.#options.observer?.connectionLost(loss);
    this.#counts[loss] = (this.#counts[loss] ?? 0) + 1;
    this.#peer = peer ?? this.#peer;
    if (this.#timer === undefined)
      this.#timer = setTimeout(() => this.#write(), logEveryMs).unref();
  }

  #write(): void {
    const { log, limits } = this.#options;
    const line = {
      ...this.#counts,
      ...(this.#peer !== undefined && { peerAddress: this.#peer }),
      connectionsMax: this.#server.maxConnections,
      connectionsPerPeerMax: limits.connectionsPerPeerMax,
    };
    this.#counts = {};
    this.#peer = undefined;
    this.#timer = undefined;
    log.warn(line, 'connections lost to a limit');
  }
}
