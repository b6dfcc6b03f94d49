import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TestCertificate } from '../support/certificate.ts';

/** A server in place of the upstream that records all bytes it receives. */
export interface RecordingServer {
  readonly port: number;
  /** Connections ever accepted. */
  readonly connections: number;
  /** With a certificate, as decrypted. */
  readonly received: Buffer;
  close(): Promise<void>;
}

/** @param certificate switches TLS on; without it, the server answers in plain HTTP. */
export async function startRecordingServer(
  certificate?: TestCertificate,
): Promise<RecordingServer> {
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const listen = (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (certificate === undefined) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
  };
  const server =
    certificate === undefined
      ? createServer(listen)
      : createTlsServer(
          { cert: certificate.certPem, key: certificate.keyPem, ALPNProtocols: ['h2'] },
          listen,
        );
  server.on('tlsClientError', () => undefined);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    get received() {
      return Buffer.concat(chunks);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
