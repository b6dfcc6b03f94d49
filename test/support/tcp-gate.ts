import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What happens to connections that come in from now on. Those there are stay as they are. */
export type GateState = 'open' | 'silent' | 'shut';

/**
 * A stretch of network before a server on loopback: it lets connections
 * through, accepts them and says nothing, or hangs up.
 */
export class TcpGate {
  state: GateState;
  /** Connections ever accepted, by the state they met. */
  readonly accepted: Record<GateState, number> = { open: 0, silent: 0, shut: 0 };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, state: GateState, targetPort: number) {
    this.#server = server;
    this.state = state;
    server.on('connection', (socket) => this.#admit(socket, targetPort));
  }

  static async open(targetPort: number, state: GateState = 'open'): Promise<TcpGate> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpGate(server, state, targetPort);
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection off. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
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
    socket.pipe(onward).pipe(socket);
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
