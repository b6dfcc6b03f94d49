import { ServerCredentials, type Server } from '@grpc/grpc-js';

/** A server's certificate chain and its private key. */
export interface ServerTls {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Listens, by TLS where there is a certificate. @returns The port. @throws Error when the address is taken. */
export function listen(
  server: Server,
  address: string,
  tls: ServerTls | undefined,
): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.certPem), private_key: Buffer.from(tls.keyPem) },
        ]);
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
