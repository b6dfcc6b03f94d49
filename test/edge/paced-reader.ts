import { connect, type Socket } from 'node:net';

/** Who reads so little finds a reset late, behind all that its kernel still holds: it has to ask. */
const probedBytesPerSecondMax = 16_384;
const probeMs = 500;

/** A client that reads a response at a given pace, and counts its bytes. */
export class PacedReader {
  /** Bytes of the response so far, its head included. */
  bytes = 0;
  /** Resolves when the connection is gone, with how long it lived. */
  readonly gone: Promise<number>;
  readonly #socket: Socket;
  #bytesPerSecond: number;
  #timer: NodeJS.Timeout | undefined;
  #isGone = false;
  #wake: () => void = () => undefined;

  /** @param bytesPerSecond 0 reads nothing at all; the kernel takes what fits into its buffer all the same. */
  constructor(
    origin: string,
    options: {
      readonly path: string;
      readonly bytesPerSecond: number;
      /** Sent right after the request. */
      readonly behind?: string;
    },
  ) {
    const { hostname, port } = new URL(origin);
    const startMs = performance.now();
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      // Small pieces: who reads much at once and then pauses opens a large window to the sender.
      onread: {
        buffer: Buffer.alloc(Math.min(65_536, Math.max(1_024, options.bytesPerSecond / 4))),
        callback: (bytes) => this.#take(bytes),
      },
    });
    this.#socket.once('connect', () => {
      this.#socket.write(`GET ${options.path} HTTP/1.1\r\nhost: x\r\n\r\n${options.behind ?? ''}`);
      if (options.bytesPerSecond === 0) this.#socket.pause();
    });
    const probe = setInterval(() => {
      if (this.#bytesPerSecond <= probedBytesPerSecondMax) this.#socket.write('\r\n');
    }, probeMs);
    this.#socket.on('error', () => undefined);
    this.gone = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#isGone = true;
        clearTimeout(this.#timer);
        clearInterval(probe);
        this.#wake();
        resolve(performance.now() - startMs);
      });
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** From now on; Infinity as fast as it comes. */
  set bytesPerSecond(value: number) {
    this.#bytesPerSecond = value;
    clearTimeout(this.#timer);
    this.#socket.resume();
  }

  /** Resolves when so many bytes have come, or no more will. */
  async until(bytes: number): Promise<void> {
    while (this.bytes < bytes && !this.#isGone) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  /** After each piece, as long a pause as its size allows for. @returns whether to read on at once. */
  #take(bytes: number): boolean {
    this.bytes += bytes;
    this.#wake();
    if (this.#bytesPerSecond === Number.POSITIVE_INFINITY) return true;
    const pauseMs = (bytes / this.#bytesPerSecond) * 1_000;
    if (Number.isFinite(pauseMs)) this.#timer = setTimeout(() => this.#socket.resume(), pauseMs);
    return false;
  }
}
