import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate, type TestCertificate } from '../../support/certificate.ts';
import { imageBody, png } from '../http-backend.ts';
import { outcomeOf, rendererFor } from './renderer-under-test.ts';

let certificate: TestCertificate;
let server: Server;
let posts = 0;
let handshakes = 0;
beforeAll(() => {
  certificate = makeCertificate();
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function listen(options: ServerOptions = {}): Promise<string> {
  posts = 0;
  handshakes = 0;
  const { certPem: cert, keyPem: key } = certificate;
  server = createServer({ cert, key, ...options }, (request, response) => {
    posts += 1;
    request.resume();
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(imageBody(png())));
  });
  server.on('connection', () => {
    handshakes += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

describe('a backend behind TLS', () => {
  it('is asked over HTTP/1.1 where its CA is the one that is named', async () => {
    const url = await listen();
    const outcome = await outcomeOf(rendererFor(url, { ca: certificate.caPem.toString() }));
    expect(outcome).toMatchObject({ mediaType: 'image/png' });
    expect(posts).toBe(1);
  });

  it('is sent nothing where its CA is not trusted', async () => {
    const url = await listen();
    expect(await outcomeOf(rendererFor(url))).toMatchObject({ failure: 'not_sent' });
    expect(posts).toBe(0);
  });

  it('is sent nothing where its certificate is for another host', async () => {
    const url = (await listen()).replace('localhost', '127.0.0.1');
    const renderer = rendererFor(url, { ca: certificate.caPem.toString() });
    expect(await outcomeOf(renderer)).toMatchObject({ failure: 'not_sent' });
    expect(posts).toBe(0);
  });

  // Under TLS 1.3 the refusal comes after the request was written, with the error of a failed connection.
  it('that wants a certificate of ours has been sent the request, so the end is unknown', async () => {
    const mutual = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const;
    const url = await listen({ ...mutual, ca: certificate.caPem });
    const outcome = await outcomeOf(rendererFor(url, { ca: certificate.caPem.toString() }));
    expect(outcome).toMatchObject({ failure: 'unknown', options: { lossCause: 'reset' } });
    expect(handshakes).toBe(1);
  });

  it('that wants a certificate of ours under TLS 1.2 refuses before anything is sent', async () => {
    const mutual = { requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' } as const;
    const url = await listen({ ...mutual, ca: certificate.caPem });
    const outcome = await outcomeOf(rendererFor(url, { ca: certificate.caPem.toString() }));
    expect(outcome).toMatchObject({ failure: 'not_sent' });
  });
});
