import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { Direction } from '../support/cutting-proxy.ts';

/** Where a connection is cut: after that many bytes in one direction. */
export interface Cut {
  readonly direction: Direction;
  readonly bytes: number;
}

/** A network proxy whose connections are cut one after the other, each at its own place. */
export interface ScriptedProxy {
  readonly address: string;
  /** Bytes forwarded by each connection, in the order in which they were opened. */
  readonly passed: readonly Record<Direction, number>[];
  /** Where new connections lead. */
  targetPort: number;
  /** Breaks every open connection. */
  cut(): void;
  close(): Promise<void>;
}

/** Cuts the first connections as the script says, and lets every later one through. */
export async function startScriptedProxy(
  targetPort: number,
  script: readonly Cut[],
): Promise<ScriptedProxy> {
  const open = new Set<Socket>();
  const passed: Record<Direction, number>[] = [];
  const server = createServer((near) => {
    const cut = script[passed.length];
    const counts = { request: 0, response: 0 };
    passed.push(counts);
    const far = connect(proxy.targetPort, '127.0.0.1');
    const destroy = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', destroy);
      socket.on('close', destroy);
    }
    const pass = (from: Socket, to: Socket, direction: Direction) =>
      from.on('data', (chunk: Buffer) => {
        const left = direction === cut?.direction ? cut.bytes - counts[direction] : Infinity;
        const part = chunk.subarray(0, Math.max(0, left));
        counts[direction] += part.length;
        // The reset must not overtake the last bytes.
        to.write(part, () => {
          if (part.length < chunk.length) destroy();
        });
      });
    pass(near, far, 'request');
    pass(far, near, 'response');
    if (cut?.bytes === 0) destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: ScriptedProxy = {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    targetPort,
    cut() {
      for (const socket of open) socket.destroy();
      open.clear();
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      proxy.cut();
      await closed;
    },
  };
  return proxy;
}
