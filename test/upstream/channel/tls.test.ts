import { toBinary } from '@bufbuild/protobuf';
import { CaCertificates } from '../../../src/upstream/channel/ca-certificates.ts';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import type { UpstreamClient } from '../../../src/upstream/upstream-client.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { runningOperation } from '../../support/fake-upstream.ts';
import { ok } from '../../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../../support/raw-upstream.ts';
import { catRequest, clientOf, failureOf } from '../../support/upstream-client.ts';

const accepted = toBinary(OperationSchema, runningOperation('fbv1'));
const certificate = makeCertificate();
const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const part of opened.splice(0).toReversed()) await part.close();
});

async function secureUpstream(): Promise<RawUpstream> {
  const upstream = await startRawUpstream(0, certificate);
  opened.push(upstream);
  upstream.on('Generate', ok(accepted));
  return upstream;
}

function open(address: string, caPem: Buffer | undefined): UpstreamClient {
  const client = clientOf(address, caPem === undefined ? {} : { ca: new CaCertificates(caPem) });
  opened.push(client);
  return client;
}

describe('TLS', () => {
  it.each(['', 'https://'])('is used for %shost:port, with the configured CA', async (scheme) => {
    const upstream = await secureUpstream();
    const client = open(`${scheme}localhost:${upstream.port}`, certificate.caPem);
    expect((await client.generate(catRequest())).id).toBe('fbv1');
    expect(upstream.calls[0]?.headers.authorization).toBe('Api-Key canary-credential');
  });

  it.each([
    ['another CA', makeCertificate().caPem],
    ['only the CAs of Node', undefined],
  ])('with %s is refused before anything is sent', async (_, caPem) => {
    const upstream = await secureUpstream();
    const error = await failureOf(open(`localhost:${upstream.port}`, caPem).generate(catRequest()));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(upstream.connections).toBeGreaterThan(0);
    expect(upstream.streamsOpened).toBe(0);
  });

  it('is verified even where the environment switches that off', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const upstream = await secureUpstream();
    const client = open(`localhost:${upstream.port}`, makeCertificate().caPem);
    expect((await failureOf(client.generate(catRequest()))).outcome).toBe('not_started');
    expect(upstream.streamsOpened).toBe(0);
  });

  it('sends no credential to a peer that does not speak TLS', async () => {
    const received: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk: Buffer) => {
        received.push(chunk);
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.push({ close: async () => void (server.close(), await once(server, 'close')) });
    const { port } = server.address() as AddressInfo;
    const client = open(`localhost:${port}`, certificate.caPem);
    expect((await failureOf(client.generate(catRequest()))).outcome).toBe('not_started');
    // The first byte of a TLS handshake; HTTP/2 in plaintext begins with PRI.
    expect(received[0]?.[0]).toBe(0x16);
    expect(Buffer.concat(received).includes('canary-credential')).toBe(false);
  });
});
