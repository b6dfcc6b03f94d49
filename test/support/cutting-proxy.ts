import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** The direction whose bytes are counted: to the server, or back. */
export type Direction = 'request' | 'response';

/** A network proxy that breaks the connection after a number of bytes. */
export interface CuttingProxy {
  readonly address: string;
  /** Bytes forwarded in each direction. */
  readonly passed: Readonly<Record<Direction, number>>;
  close(): Promise<void>;
}

/**
 * Forwards one direction up to `bytes`, then destroys both ends; the bytes before
 * that arrive.
 */
export async function startCuttingProxy(
  targetPort: number,
  cut: { readonly direction: Direction; readonly bytes: number },
): Promise<CuttingProxy> {
  const passed = { request: 0, response: 0 };
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    const destroy = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', destroy);
      socket.on('close', () => {
        open.delete(socket);
        destroy();
      });
    }
    const pass = (from: typeof near, to: typeof near, direction: Direction) =>
      from.on('data', (chunk: Buffer) => {
        const left = direction === cut.direction ? cut.bytes - passed[direction] : Infinity;
        const part = chunk.subarray(0, Math.max(0, left));
        passed[direction] += part.length;
        // The reset must not overtake the last bytes.
        to.write(part, () => {
          if (part.length < chunk.length) destroy();
        });
      });
    pass(near, far, 'request');
    pass(far, near, 'response');
    if (cut.bytes === 0) destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    async close() {
      const closed = once(server, 'close');
      server.close();
      // grpc-js forgets a connection that stood just after its client was closed.
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
