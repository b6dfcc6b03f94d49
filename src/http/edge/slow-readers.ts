import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from '../../observability/log.ts';
import type { EdgeLimits } from './edge-limits.ts';
import { inodeOf, unacknowledgedBytes, type UnacknowledgedBytes } from './unacknowledged-bytes.ts';

/** An answer of so many bytes is in the peer's kernel at once, whether it reads or not. */
const smallBytes = 65_536;

/**
 * What Node does not document of a TCP handle. An image is handed over in one
 * piece, and `socket.bytesWritten` counts it whole at that moment.
 */
interface Handle {
  readonly fd?: number;
  /** Bytes handed to libuv. */
  readonly bytesWritten?: number;
  /** Of these, what the kernel has not taken yet. */
  readonly writeQueueSize?: number;
}

/**
 * Cuts readers who take what is pending for them too slowly: each holds an
 * image in memory, ours or the kernel's. One for whom nothing is pending, an
 * idle event stream for one, is never cut.
 */
export function cutSlowReaders(
  server: Server,
  { bounds, log }: { readonly bounds: EdgeLimits; readonly log: Log },
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
      const bytesPerSecond = reader.pace({ unacknowledged, nowMs, windowMs: bounds.readWindowMs });
      if (bytesPerSecond >= bounds.readBytesPerSecondMin) continue;
      log.info({ bytesPerSecond: Math.round(bytesPerSecond) }, 'slow reader cut');
      reader.cut();
    }
  };
  let timer: NodeJS.Timeout | undefined;
  server.on('listening', () => {
    timer = setInterval(() => void sweep(), bounds.sweepMs).unref();
  });
  server.on('close', () => clearInterval(timer));
}

interface Sample {
  readonly atMs: number;
  /** Bytes that the peer has taken since the connection began. */
  readonly takenBytes: number;
}

/** How fast the other side of one connection takes what is sent to it. */
class Reader {
  readonly #socket: Socket;
  /** Of the time since when something has been pending throughout; the window's. */
  #samples: Sample[] = [];
  /** Bytes handed over when last nothing was pending. */
  #settledBytes = 0;
  #inode: string | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Cheap, and true for every reader who has something pending that is worth the question. */
  mayBePending(): boolean {
    if (this.#socket.writableLength > 0) return true;
    return this.#handedBytes() - this.#settledBytes > smallBytes;
  }

  /** Bytes a second over the window; Infinity while there was not always something pending. */
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

  /** By a reset: a kernel that closes politely goes on holding what nobody takes. */
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
