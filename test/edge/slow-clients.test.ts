import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edgeLimits } from '../../src/http/edge/edge-limits.ts';
import { openGuardedServer } from '../../src/http/edge/guarded-server.ts';
import { startGateway } from '../support/gateway.ts';
import { PacedReader } from './paced-reader.ts';
import { exchange } from '../support/raw-exchange.ts';

/** Longer than anything should take here, on a machine that is busy with other things. */
const longMs = 6_000;
const limits = {
  ...edgeLimits,
  headersMs: 300,
  requestMs: 600,
  sweepMs: 100,
  readWindowMs: 1_000,
  lingerMs: 200,
};

/** More than kernels take from a server at once. */
const large = Buffer.alloc(8 * 1_048_576, 1);
/** Less than that, and more than the reader's own kernel takes. */
const medium = Buffer.alloc(1_048_576, 1);

let server: Server;
let origin: string;
const served: string[] = [];
const lines: string[] = [];

beforeAll(async () => {
  const log = pino(
    {},
    new Writable({
      write(chunk: Buffer, _, done) {
        lines.push(chunk.toString());
        done();
      },
    }),
  );
  server = openGuardedServer(
    (request, response) => {
      const { url = '' } = request;
      if (url === '/large') return response.end(large);
      if (url === '/medium') return response.end(medium);
      if (url === '/events') return response.write('retry: 2000\n\n');
      if (url === '/refused') return response.writeHead(401).end('{}');
      request.on('error', () => undefined).resume();
      return request.on('end', () => {
        served.push(url);
        response.end('whole');
      });
    },
    { limits, log, origin: () => origin, pageHeaders: () => ({}) },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

const post = (path: string) => `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n`;

describe.concurrent('a connection', () => {
  describe('is cut', () => {
    it.each([
      ['that never sends a byte', '', undefined, [408]],
      ['that sends nothing but empty lines', '', '\r\n', [408]],
      ['whose headers drip', 'GET / HTTP/1.1\r\nhost: x\r\n', 'a: b\r\n', [408]],
      ['whose body drips', post('/dripping'), 'x', [408]],
      [
        'whose body drips behind an offer of another protocol',
        post('/dripping').replace('host:', 'connection: upgrade\r\nupgrade: h2c\r\nhost:'),
        'x',
        [408],
      ],
      // It has its response: a second one would be taken for that of the next request.
      ['whose body drips after its response', post('/refused'), 'x', [401]],
    ])('%s', async (_, bytes, drip, statuses) => {
      const found = await exchange(
        origin,
        bytes,
        drip === undefined ? undefined : { bytes: drip, everyMs: 50 },
      );
      expect(found.statuses).toEqual(statuses);
      expect(found.livedMs).toBeLessThan(longMs);
      expect(served).not.toContain('/dripping');
    });

    it.each(['/large', '/medium'])('whose reader takes nothing of %s', async (path) => {
      const reader = new PacedReader(origin, { path, bytesPerSecond: 0 });
      expect(await reader.gone).toBeLessThan(longMs);
      expect(lines.join('')).toContain('slow reader cut');
    });

    it('whose reader is too slow', async () => {
      const reader = new PacedReader(origin, { path: '/large', bytesPerSecond: 4_096 });
      expect(await reader.gone).toBeLessThan(longMs);
    });
  });

  describe('is left alone', () => {
    it('whose reader is slow, although what it sent behind its request is refused', async () => {
      const reader = new PacedReader(origin, {
        path: '/large',
        bytesPerSecond: 4 * 1_048_576,
        behind: 'NO HTTP\r\n\r\n',
      });
      await reader.gone;
      expect(reader.bytes).toBeGreaterThan(large.length);
    });

    it('whose reader is slow, and fast enough', async () => {
      const reader = new PacedReader(origin, { path: '/large', bytesPerSecond: 524_288 });
      // Longer than the window, while the server's kernel takes nothing new.
      await reader.until(1_048_576);
      expect(reader.isGone).toBe(false);
      reader.bytesPerSecond = Number.POSITIVE_INFINITY;
      await reader.until(large.length);
      expect(reader.bytes).toBeGreaterThan(large.length);
      reader.close();
      await reader.gone;
    });

    it('that has nothing to read', async () => {
      const reader = new PacedReader(origin, { path: '/events', bytesPerSecond: Infinity });
      const stalled = new PacedReader(origin, { path: '/medium', bytesPerSecond: 0 });
      await stalled.gone;
      expect(reader.isGone).toBe(false);
      reader.close();
      await reader.gone;
    });
  });
});

describe('the gateway', () => {
  it('has these limits', async () => {
    expect(edgeLimits).toEqual({
      headersMs: 5_000,
      requestMs: 10_000,
      keepAliveMs: 72_000,
      headerBytesMax: 8_192,
      headerLinesMax: 100,
      pipelinedMax: 64,
      readBytesPerSecondMin: 32_768,
      readWindowMs: 10_000,
      sweepMs: 1_000,
      lingerMs: 1_000,
      connectionsMax: 16_384,
      connectionsPerPeerMax: 12_288,
    });
    let guarded: Server | undefined;
    const gateway = await startGateway(
      { UPSTREAM_ADDRESS: 'http://127.0.0.1:9' },
      { extend: (app) => (guarded = app.server) },
    );
    expect(guarded).toMatchObject({
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      keepAliveTimeout: 72_000,
      maxConnections: 16_384,
    });
    await gateway.close();
  });
});
