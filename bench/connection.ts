import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface ConnectionResponse {
  /** 0 when the connection broke. */
  readonly status: number;
  readonly body: Buffer | undefined;
}

const headEnd = Buffer.from('\r\n\r\n');

/** One raw keep-alive connection; one request at a time. Reading its responses costs next to nothing. */
export class Connection {
  readonly #socket: Socket;
  #parts: Buffer[] = [];
  #bytes = 0;
  #wanted = 0;
  #status = 0;
  #headBytes = 0;
  #keep = false;
  #resolve: ((response: ConnectionResponse) => void) | undefined;
  #isOpen = true;

  constructor(origin: string) {
    const { hostname, port } = new URL(origin);
    this.#socket = connect(Number(port), hostname).setNoDelay(true);
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', () => this.#end({ status: 0, body: undefined }));
    this.#socket.on('close', () => {
      this.#isOpen = false;
      this.#end({ status: 0, body: undefined });
    });
  }

  /** Whether it can take another request. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @param keep Whether the body is handed back. */
  request(text: string, keep: boolean): Promise<ConnectionResponse> {
    this.#keep = keep;
    this.#parts = [];
    this.#bytes = 0;
    this.#wanted = 0;
    this.#socket.write(text, 'latin1');
    return new Promise((resolve) => (this.#resolve = resolve));
  }

  opened(): Promise<unknown> {
    return once(this.#socket, 'connect');
  }

  close(): void {
    this.#isOpen = false;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    if (this.#wanted === 0 || this.#keep) this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#wanted === 0) this.#readHead();
    if (this.#wanted === 0 || this.#bytes < this.#wanted) return;
    const body = this.#keep ? Buffer.concat(this.#parts).subarray(this.#headBytes) : undefined;
    this.#end({ status: this.#status, body });
  }

  #readHead(): void {
    const start = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    const end = start.indexOf(headEnd);
    if (end < 0) return;
    const head = start.toString('latin1', 0, end);
    this.#status = Number(head.slice(9, 12));
    // The other side closes it after this response.
    if (/\r\nconnection: close/i.test(head)) this.#isOpen = false;
    const length = /content-length: (\d+)/i.exec(head)?.[1];
    this.#headBytes = end + headEnd.length;
    this.#wanted = this.#headBytes + (this.#status === 304 ? 0 : Number(length ?? 0));
  }

  #end(response: ConnectionResponse): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(response);
  }
}
