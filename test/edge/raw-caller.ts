import { connect } from 'node:net';

/** What came back on one connection until the other side closed it. */
export interface Exchange {
  readonly text: string;
  /** Status codes of all responses, in order. */
  readonly statuses: readonly number[];
  /** From the connection's start to its end. */
  readonly livedMs: number;
}

/**
 * Sends bytes as they are, one character a byte, and reads until the other side closes.
 *
 * @param drip sent again and again afterwards, one at a time, until then.
 */
export function exchange(
  origin: string,
  bytes: string,
  drip?: { readonly bytes: string; readonly everyMs: number },
): Promise<Exchange> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const socket = connect(Number(port), hostname, () => socket.write(bytes, 'latin1'));
    let text = '';
    const timer =
      drip === undefined
        ? undefined
        : setInterval(() => socket.write(drip.bytes, 'latin1'), drip.everyMs);
    socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    // A client that goes on sending after it was cut gets a reset.
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
