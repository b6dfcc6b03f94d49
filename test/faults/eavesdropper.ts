import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TestCertificate } from '../support/certificate.ts';

/** Somebody in the upstream's place who takes down all that is said to him. */
export interface Eavesdropper {
  readonly port: number;
  /** Connections ever accepted. */
  readonly connections: number;
  /** With a certificate, as decrypted. */
  readonly heard: Buffer;
  close(): Promise<void>;
}

/** @param certificate makes him speak TLS; without it, he answers in plain HTTP. */
export async function startEavesdropper(certificate?: TestCertificate): Promise<Eavesdropper> {
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
    get heard() {
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
