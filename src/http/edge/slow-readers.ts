import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { inodeOf, unacknowledgedBytes, type UnacknowledgedBytes } from './unacknowledged-bytes.ts';

/** A response of at most this size fits into the peer's kernel, whether the peer reads or not. */
const smallBytes = 65_536;

/**
 * The undocumented fields of Node's TCP handle. They are needed because an image is
 * handed over in one piece, and `socket.bytesWritten` counts all of it at that moment.
 */
interface Handle {
  readonly fd?: number;
  /** Bytes handed to libuv. */
  readonly bytesWritten?: number;
  /** Of these, what the kernel has not taken yet. */
  readonly writeQueueSize?: number;
}

/**
 * Resets connections whose peer reads too slowly: each keeps an image in our
 * memory or in the kernel's. A connection with nothing pending, such as an idle
 * event stream, is never cut.
 */
export function cutSlowReaders(
  server: Server,
  { limits, log }: { readonly limits: EdgeLimits; readonly log: Log },
): void {
  const readers = new Set<Reader>();
  server.on('connection', (socket) => {
    const reader = new Reader(socket);
    readers.add(reader);
    socket.once('close', () => readers.delete(reader));
  });
  let isSweeping = false;
  const sweep = async (): Promise<void> => {
    const pending = [...readers].filter((reader) => reader.mayBePending());
    if (pending.length === 0 || isSweeping) return;
    isSweeping = true;
    const unacknowledged = await unacknowledgedBytes();
    isSweeping = false;
    const nowMs = performance.now();
    for (const reader of pending) {
      const bytesPerSecond = reader.pace({ unacknowledged, nowMs, windowMs: limits.readWindowMs });
      if (bytesPerSecond >= limits.readBytesPerSecondMin) continue;
      log.info({ bytesPerSecond: Math.round(bytesPerSecond) }, 'slow reader cut');
      reader.cut();
    }
  };
  let timer: NodeJS.Timeout | undefined;
  server.on('listening', () => {
    timer = setInterval(() => void sweep(), limits.sweepMs).unref();
  });
  server.on('close', () => clearInterval(timer));
}

interface Sample {
  readonly atMs: number;
  /** Bytes that the peer has taken since the connection began. */
  readonly takenBytes: number;
}

/** The pace at which the peer of one connection takes what is sent to it. */
class Reader {
  readonly #socket: Socket;
  /** Samples of the current window, while something has been pending all the time. */
  #samples: Sample[] = [];
  /** Bytes handed over at the last moment when nothing was pending. */
  #settledBytes = 0;
  #inode: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A cheap check, true for every reader with so much pending that the kernel must be asked. */
  mayBePending(): boolean {
    if (this.#socket.writableLength > 0) return true;
    return this.#handedBytes() - this.#settledBytes > smallBytes;
  }

  /** Bytes a second over the window; Infinity unless something was pending all the time. */
  pace(options: {
    readonly unacknowledged: UnacknowledgedBytes;
    readonly nowMs: number;
    readonly windowMs: number;
  }): number {
    const { unacknowledged, nowMs: atMs, windowMs } = options;
    this.#inode ??= inodeOf(handleOf(this.#socket).fd);
    const inKernelBytes = unacknowledged.get(this.#inode ?? '') ?? 0;
    if (inKernelBytes === 0 && this.#socket.writableLength === 0) {
      this.#samples = [];
      this.#settledBytes = this.#handedBytes();
      return Number.POSITIVE_INFINITY;
    }
    const queuedBytes = handleOf(this.#socket).writeQueueSize ?? 0;
    const takenBytes = this.#handedBytes() - queuedBytes - inKernelBytes;
    this.#samples.push({ atMs, takenBytes });
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - windowMs) this.#samples.shift();
    const [first = { atMs, takenBytes }] = this.#samples;
    const spanMs = atMs - first.atMs;
    if (spanMs < windowMs) return Number.POSITIVE_INFINITY;
    return Math.max(0, (takenBytes - first.takenBytes) / (spanMs / 1_000));
  }

  /** Resets the connection: after a polite close the kernel would keep the bytes that no one reads. */
  cut(): void {
    this.#socket.resetAndDestroy();
  }

  #handedBytes(): number {
    return handleOf(this.#socket).bytesWritten ?? this.#socket.bytesWritten;
  }
}

function handleOf(socket: Socket): Handle {
  return (socket as { readonly _handle?: Handle | null })._handle ?? {};
}
