import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What happens to new connections. Open ones stay as they are. */
export type GateState = 'open' | 'silent' | 'shut';

/** A connection that was let through: the socket to the client, and the one to the server. */
interface Way {
  readonly near: Socket;
  readonly far: Socket;
}

/**
 * A part of the network before a server on loopback. It lets connections
 * through, accepts them and stays silent, or closes them.
 */
export class TcpGate {
  state: GateState;
  /** Connections ever accepted, by the state they met. */
  readonly accepted: Record<GateState, number> = { open: 0, silent: 0, shut: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #ways = new Set<Way>();

  private constructor(server: Server, state: GateState, targetPort: number) {
    this.#server = server;
    this.state = state;
    server.on('connection', (socket) => this.#admit(socket, targetPort));
  }

  static async open(
    targetPort: number,
    state: GateState = 'open',
    { host = '127.0.0.1', port = 0 } = {},
  ): Promise<TcpGate> {
    const server = createServer();
    server.listen(port, host);
    await once(server, 'listening');
    return new TcpGate(server, state, targetPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** As the gateway's settings take it, for plaintext. */
  get address(): string {
    return `http://${(this.#server.address() as AddressInfo).address}:${this.port}`;
  }

  /** Destroys every connection. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
      this.#sockets.delete(socket);
    }
  }

  /** Drops all further bytes of the open connections; neither end notices. */
  swallow(): void {
    for (const { near, far } of this.#ways) {
      for (const socket of [near, far]) {
        socket.unpipe();
        // Bytes are read and dropped: the sender would notice a full buffer.
        socket.on('data', () => undefined);
        socket.removeAllListeners('end');
        socket.removeAllListeners('close');
      }
    }
    this.#ways.clear();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #admit(socket: Socket, targetPort: number): void {
    this.accepted[this.state] += 1;
    this.#keep(socket);
    if (this.state === 'shut') socket.destroy();
    if (this.state !== 'open') return;
    const onward = connect(targetPort, '127.0.0.1');
    this.#keep(onward);
    const way = { near: socket, far: onward };
    this.#ways.add(way);
    socket.pipe(onward).pipe(socket);
    socket.on('close', () => onward.destroy());
    onward.on('close', () => {
      this.#ways.delete(way);
      socket.destroy();
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
