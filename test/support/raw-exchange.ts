import { connect } from 'node:net';

/** What came back on one connection until the other side closed it. */
export interface Exchange {
  /** In latin1, one character a byte. */
  readonly text: string;
  /** Status codes of all responses, in order. */
  readonly statuses: readonly number[];
  /** From the connection's start to its end. */
  readonly livedMs: number;
}

/**
 * Sends bytes as they are, one character a byte, and reads until the other side closes.
 *
 * @param drip sent after `bytes`, again and again, one at a time, until then.
 */
export function exchange(
  origin: string,
  bytes: string,
  drip?: { readonly bytes: string; readonly everyMs: number },
): Promise<Exchange> {
  return exchangePieces(origin, [Buffer.from(bytes, 'latin1')], { drip, ends: false });
}

/**
 * The same in several pieces, each in a packet of its own as far as the kernel allows.
 *
 * @param options.ends Whether the client closes its half of the connection after the last piece.
 * @param options.limitMs Fails when the connection is silent and open for that long.
 */
export function exchangePieces(
  origin: string,
  pieces: readonly Buffer[],
  options: {
    readonly drip?: { readonly bytes: string; readonly everyMs: number } | undefined;
    readonly ends: boolean;
    readonly limitMs?: number;
  },
): Promise<Exchange> {
  const { drip, ends, limitMs } = options;
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let text = '';
    let timer: NodeJS.Timeout | undefined;
    const send = ([piece, ...rest]: readonly Buffer[]): void => {
      if (socket.destroyed) return;
      if (piece !== undefined) {
        socket.write(piece);
        setImmediate(send, rest);
      } else if (ends) {
        socket.end();
      } else if (drip !== undefined) {
        timer = setInterval(() => socket.write(drip.bytes, 'latin1'), drip.everyMs);
      }
    };
    socket.on('connect', () => send(pieces));
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    if (limitMs !== undefined) {
      socket.setTimeout(limitMs, () => {
        socket.destroy();
        reject(new Error(`the connection was still open after ${limitMs} ms`));
      });
    }
    // The other side may close before it has read everything: what it sent until then counts.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => {
      clearInterval(timer);
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code));
      resolve({ text, statuses, livedMs: performance.now() - startMs });
    });
  });
}
