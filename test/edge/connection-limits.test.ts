import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionLoss } from '../../src/http/edge/connection-limits.ts';
import { edgeLimits, type EdgeLimits } from '../../src/http/edge/edge-limits.ts';
import { openGuardedServer } from '../../src/http/edge/guarded-server.ts';

let server: Server;
let port: number;
let sockets: Socket[];
let lines: string[];
let losses: ConnectionLoss[];
let held: ServerResponse[];
/** The server's side of every connection. */
let accepted: Socket[];

beforeEach(() => {
  sockets = [];
  lines = [];
  losses = [];
  held = [];
  accepted = [];
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

async function start(limits: Partial<EdgeLimits>): Promise<void> {
  const write = (chunk: Buffer, _: unknown, done: () => void) => {
    lines.push(chunk.toString());
    done();
  };
  server = openGuardedServer(
    ({ url }, response) => {
      if (url === '/held') held.push(response);
      else response.end('served');
    },
    {
      limits: { ...edgeLimits, ...limits },
      log: pino({}, new Writable({ write })),
      origin: () => 'http://gateway',
      pageHeaders: () => ({}),
      observer: { connectionLost: (loss) => losses.push(loss) },
    },
  );
  server.on('connection', (socket) => accepted.push(socket));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
}

/** A connection from one of this machine's own addresses. */
async function open(from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends a request and reads what comes: the response, or undefined when the connection ends. */
async function textOf(socket: Socket, path = '/'): Promise<string | undefined> {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return new Promise((resolve) => {
    socket.once('data', (bytes) => resolve(String(bytes)));
    socket.once('close', () => resolve(undefined));
  });
}

/** A connection that got its response and is kept. */
async function openIdle(from?: string): Promise<Socket> {
  const socket = await open(from);
  expect(await textOf(socket)).toContain('200 OK');
  return socket;
}

async function openHeld(from?: string): Promise<Socket> {
  const before = held.length;
  const socket = await open(from);
  socket.write('GET /held HTTP/1.1\r\nhost: x\r\n\r\n');
  await expect.poll(() => held.length).toBe(before + 1);
  return socket;
}

/** Resolves when the other side has ended the connection. */
async function ended(socket: Socket): Promise<void> {
  await expect.poll(() => socket.closed || socket.readableEnded, { timeout: 10_000 }).toBe(true);
}

describe('one peer', () => {
  it('holds a part of all connections at most, and the others are served', async () => {
    await start({ connectionsMax: 8, connectionsPerPeerMax: 5 });
    for (let count = 0; count < 5; count += 1) await openHeld('127.0.0.2');
    for (let count = 0; count < 20; count += 1) {
      const refused = await open('127.0.0.2');
      await ended(refused.resume());
    }
    expect(await textOf(await open('127.0.0.3'))).toContain('200 OK');
    expect(losses.filter((loss) => loss === 'peer')).toHaveLength(20);
    expect(held.every((response) => response.socket?.destroyed === false)).toBe(true);
    await expect
      .poll(() => lines.join(''), { timeout: 10_000 })
      .toContain('connections lost to a limit');
    expect(lines.join('')).toContain('"peerAddress":"127.0.0.2"');
  });

  it('is served again when it has let go of a connection', async () => {
    await start({ connectionsPerPeerMax: 2 });
    const [first] = [await openHeld(), await openHeld()];
    await ended((await open()).resume());
    first?.destroy();
    await expect.poll(async () => textOf(await open())).toContain('200 OK');
  });

  it('loses its own longest idle connection first', async () => {
    await start({ connectionsPerPeerMax: 3 });
    const others = await openIdle('127.0.0.9');
    const [oldest, next, newest] = [await openIdle(), await openIdle(), await openIdle()];
    expect(await textOf(await open())).toContain('200 OK');
    await ended(oldest);
    expect([next?.closed, newest?.closed, others.closed]).toEqual([false, false, false]);
    expect(losses).toEqual(['idle']);
  });
});

describe('near the limit of all', () => {
  it('the longest idle connections make room, and none with a request under way is closed', async () => {
    await start({ connectionsMax: 10 });
    const busy = await openHeld('127.0.0.2');
    const idle: Socket[] = [];
    for (let count = 0; count < 8; count += 1) idle.push(await openIdle(`127.0.0.${count + 3}`));
    // Used again: no longer the longest idle one.
    expect(await textOf(idle[0]!)).toContain('200 OK');
    for (let count = 0; count < 5; count += 1) {
      expect(await textOf(await open('127.0.0.20'))).toContain('200 OK');
    }
    await ended(idle[1]!);
    expect(idle[0]?.closed).toBe(false);
    expect(busy.closed).toBe(false);
    held[0]?.end('served');
    expect(String(await once(busy, 'data'))).toContain('200 OK');
    expect(losses).not.toContain('limit');
  });

  it('a connection on which the next request has begun is not idle', async () => {
    await start({ connectionsMax: 3 });
    const [begun] = [await openIdle('127.0.0.2'), await openIdle('127.0.0.3')];
    const served = accepted.find(({ remotePort }) => remotePort === begun.localPort);
    const before = served?.bytesRead ?? 0;
    begun.write('GET / HTT');
    await expect.poll(() => served?.bytesRead).toBe(before + 9);
    const third = await open('127.0.0.4');
    expect(await textOf(third)).toContain('200 OK');
    begun.write('P/1.1\r\nhost: x\r\n\r\n');
    expect(String(await once(begun, 'data'))).toContain('200 OK');
  });

  it('further connections are closed, counted and logged where none is idle', async () => {
    await start({ connectionsMax: 3 });
    for (let count = 0; count < 3; count += 1) await openHeld();
    for (let count = 0; count < 4; count += 1) await ended((await open()).resume());
    expect(losses).toEqual(['limit', 'limit', 'limit', 'limit']);
    // One line a second, so a slow second has its own.
    const logged = () => [...lines.join('').matchAll(/"limit":(\d+)/g)].map(([, count]) => count);
    const sum = () => logged().reduce((total, count) => total + Number(count), 0);
    await expect.poll(sum, { timeout: 10_000 }).toBe(4);
  });
});

it('an accept that fails is counted and logged, and the server goes on', async () => {
  await start({});
  const error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' });
  server.emit('error', error);
  expect(losses).toEqual(['accept']);
  expect(await textOf(await open())).toContain('200 OK');
  await expect.poll(() => lines.join(''), { timeout: 10_000 }).toContain('"accept":1');
});
