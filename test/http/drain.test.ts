import { toBinary } from '@bufbuild/protobuf';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { patientLimits } from '../../src/lifecycle/drain.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { send, type HttpResponse, type HttpRequest } from '../support/http-client.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const idleMs = 1_000;
const limits = { ...patientLimits({ delayMs: 5_000, cutAfterMs: 25_000 }), idleMs };
/** Connections of the moment before are as good as in use. */
const undelayed = { ...patientLimits({ delayMs: 0, cutAfterMs: 25_000 }), idleMs };
const running = raw.ok(toBinary(OperationSchema, runningOperation('up1')));
const cat = { prompt: 'a red cat' };
/** More than any socket takes without being read. */
const hugeImage = Buffer.concat([
  Buffer.from(
    'ffd8ffe000104a46494600010100000100010000ffc0001108040004000301220002110103110100',
    'hex',
  ),
  Buffer.alloc(15 * 1_048_576),
]);

let clock: VirtualClock;
let upstream: RawUpstream;
let gateway: Gateway;
let dataDirectory: string;
let agents: Agent[];
let sockets: Socket[];

beforeEach(async () => {
  clock = new VirtualClock();
  upstream = await startRawUpstream();
  upstream.on('Generate', running);
  upstream.on('Get', running);
  dataDirectory = await mkdtemp(join(tmpdir(), 'gateway-drain-'));
  gateway = await start();
  agents = [];
  sockets = [];
});

afterEach(async () => {
  for (const agent of agents) agent.destroy();
  for (const socket of sockets) socket.destroy();
  const closed = gateway.close();
  await clock.advance(60_000);
  await over(closed);
  await upstream.close();
  await rm(dataDirectory, { recursive: true, force: true });
});

/**
 * Sockets and files take real time, so what waits for them on the clock may need
 * a little more of its time; far less of it, lest a limit of the drain is reached.
 */
async function over<Value>(ending: Promise<Value>): Promise<Value> {
  let isOver = false;
  void ending.finally(() => (isOver = true)).catch(() => undefined);
  while (!isOver) {
    await pause(5);
    await clock.advance(1);
  }
  return ending;
}

function start(): Promise<Gateway> {
  const environment = {
    UPSTREAM_ADDRESS: upstream.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    DATA_DIR: dataDirectory,
  };
  return startGateway(environment, { drainClock: clock });
}

/** A client with one connection of its own, which it keeps for as long as it may. */
function client(): (path: string, asked?: HttpRequest) => Promise<HttpResponse> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.push(agent);
  return (path, asked) => send(`${gateway.origin}${path}`, { agent, ...asked });
}

async function open(text: string): Promise<Socket> {
  const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

function jsonOf({ body }: HttpResponse): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

/** Upstream calls of Generate that end when the test says so. */
function heldGenerates(): (() => void)[] {
  const held: (() => void)[] = [];
  const act = (...call: Parameters<typeof running.act>) => held.push(() => running.act(...call));
  upstream.on('Generate', { ...running, act });
  return held;
}

describe('a gateway that leaves', () => {
  it('is not ready, serves everything, and asks clients to close their connections', async () => {
    const ask1 = client();
    expect((await ask1('/readyz')).status).toBe(200);
    void gateway.drain(limits);
    const unready = await ask1('/readyz');
    expect([unready.status, jsonOf(unready), unready.isReused]).toEqual([
      503,
      { status: 'draining' },
      true,
    ]);
    expect(unready.headers.connection).toBe('close');
    await clock.advance(4_900);
    const created = await ask1('/v1/images', { body: cat });
    expect([created.status, created.headers.connection, created.isReused]).toEqual([
      202,
      'close',
      false,
    ]);
    expect((await ask1('/nothing')).headers.connection).toBe('close');
  });

  it('asks for it on a response that was waited for before', async () => {
    const id = String(jsonOf(await client()('/v1/images', { body: cat }))['id']);
    const waiting = client()(`/operations/${id}?wait=60`);
    await expect.poll(() => upstream.calls.length).toBeGreaterThan(1);
    void gateway.drain(limits);
    await clock.advance(5_000);
    const response = await waiting;
    expect([response.status, response.headers.connection]).toEqual([200, 'close']);
    expect(jsonOf(response)['status']).toBe('running');
  });
});

describe('a gateway that finishes', () => {
  it('refuses creates, each surface in its own form, and serves all other requests', async () => {
    const clients = [client(), client(), client(), client()];
    for (const each of clients) await each('/livez');
    void gateway.drain(undelayed);
    await clock.advance(0);
    const [native, openAi, vendor, other] = clients;
    const refusal = await native?.('/v1/images', { body: cat });
    expect([refusal?.status, refusal?.headers['retry-after']]).toEqual([503, '1']);
    expect(refusal && jsonOf(refusal)).toMatchObject({
      code: 'draining',
      outcome: 'not_started',
      retryable: true,
    });
    const openAiRefusal = await openAi?.('/v1/images/generations', { body: cat });
    expect(openAiRefusal?.status).toBe(503);
    expect(openAiRefusal && jsonOf(openAiRefusal)['error']).toMatchObject({
      type: 'server_error',
      code: 'draining',
    });
    const vendorRefusal = await vendor?.('/foundationModels/v1/imageGenerationAsync', {
      body: {
        modelUri: 'art://f/m',
        messages: [{ text: 'a red cat' }],
      },
    });
    expect(vendorRefusal?.status).toBe(503);
    expect(vendorRefusal && jsonOf(vendorRefusal)).toMatchObject({ code: 14 });
    expect((await other?.('/livez'))?.status).toBe(200);
    for (const response of [refusal, openAiRefusal, vendorRefusal]) {
      expect([response?.isReused, response?.headers.connection]).toEqual([true, 'close']);
    }
    expect(upstream.spent).toBe(0);
  });

  it('takes no new connection, and ends every wait at once', async () => {
    const waiter = client();
    const id = String(jsonOf(await client()('/v1/images', { body: cat }))['id']);
    await waiter('/livez');
    void gateway.drain(undelayed);
    await clock.advance(0);
    await expect(client()('/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect((await waiter(`/operations/${id}?wait=60`)).status).toBe(200);
  });

  it('takes over the connections that wait to be accepted', async () => {
    const waiting = await Promise.all(
      Array.from({ length: 30 }, () => open('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')),
    );
    const responses = waiting.map(async (socket) => String((await once(socket, 'data'))[0]));
    void gateway.drain(undelayed);
    await clock.advance(0);
    for (const response of await Promise.all(responses))
      expect(response).toMatch(/^HTTP\/1\.1 200/);
  });

  it('ends event streams as streams end, so that a browser comes back elsewhere', async () => {
    const events = client()('/v1/images', { body: cat, headers: { accept: 'text/event-stream' } });
    await expect.poll(() => upstream.calls.length).toBeGreaterThan(1);
    const ended = gateway.drain(limits);
    await clock.advance(5_000);
    expect((await events).body.toString()).toMatch(/^retry: 2000\n\nid: 1\nevent: running\n/);
    await clock.advance(1_000);
    expect(await over(ended)).toBe(true);
  });

  it('keeps an idle connection for a second, as a request may be on its way', async () => {
    void gateway.drain(limits);
    await clock.advance(4_500);
    const sockets = [await open(''), await open('')];
    expect((await send(`${gateway.origin}/livez`)).status).toBe(200);
    const [used, unused] = sockets;
    await clock.advance(900);
    used?.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    const [response] = (await once(used as Socket, 'data')) as [Buffer];
    expect(response.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i);
    const closed = once(unused as Socket, 'close');
    unused?.resume();
    await clock.advance(100);
    await closed;
  });

  it('is not held up by who is silent, or stops in the middle of a request', async () => {
    const silent = await open('');
    const half = await open('GET /livez HTT');
    const closed = [once(silent, 'close'), once(half, 'close')];
    silent.resume();
    half.resume();
    await expect.poll(async () => (await send(`${gateway.origin}/livez`)).status).toBe(200);
    const ended = gateway.drain(limits);
    await clock.advance(5_000);
    await closed[0];
    await clock.advance(5_000);
    await Promise.all(closed);
    await clock.advance(100);
    expect(await over(ended)).toBe(true);
  });

  it('is held up by a stalled reader until 25 s, and no longer', async () => {
    upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation('up1', hugeImage))));
    const { id } = jsonOf(await client()('/v1/images', { body: cat }));
    const stalled = await open(
      `GET /operations/${String(id)}/image?wait=5 HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await once(stalled, 'readable');
    const ended = gateway.drain(limits);
    let isOver = false;
    void ended.then(() => (isOver = true));
    await clock.advance(24_900);
    expect(isOver).toBe(false);
    await clock.advance(100);
    expect(await over(ended)).toBe(true);
  });

  it.each([
    ['', {}],
    [' after 100 Continue', { expect: '100-continue' }],
  ])('responds to a create that it has accepted%s', async (_, headers) => {
    const held = heldGenerates();
    const creating = client()('/v1/images', { body: cat, headers });
    await expect.poll(() => held.length).toBe(1);
    const ended = gateway.drain(limits);
    await clock.advance(15_000);
    held[0]?.();
    const response = await creating;
    expect([response.status, response.headers.connection]).toEqual([202, 'close']);
    await clock.advance(1_000);
    expect(await over(ended)).toBe(true);
  });
});

describe('a gateway that settles', () => {
  const keyed = { body: cat, headers: { 'idempotency-key': 'key-of-a-drain' } };

  /** A create whose caller hangs up while the upstream works. */
  async function abandon(held: (() => void)[]): Promise<void> {
    const agent = new Agent();
    const creating = send(`${gateway.origin}/v1/images`, { agent, ...keyed });
    await expect.poll(() => held.length).toBe(1);
    agent.destroy();
    await expect(creating).rejects.toThrow('no response');
  }

  it('records what was paid for, although its caller is gone', async () => {
    const held = heldGenerates();
    await abandon(held);
    const ended = gateway.drain(limits);
    await clock.advance(10_000);
    // Sockets close in real time. A gateway that does not wait for the call goes on to `closed`.
    while (!['settling', 'closed'].includes(gateway.drainPhase)) await over(pause(5));
    held[0]?.();
    expect(await over(ended)).toBe(true);
    await gateway.close();
    gateway = await start();
    const again = await client()('/v1/images', keyed);
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([202, 'true']);
    expect(upstream.spent).toBe(1);
  });

  it('ends a call that takes too long, and leaves it as unknown', async () => {
    await abandon(heldGenerates());
    const ended = gateway.drain(limits);
    await clock.advance(28_000);
    expect(await over(ended)).toBe(true);
    await gateway.close();
    gateway = await start();
    const again = await client()('/v1/images', keyed);
    expect([again.status, jsonOf(again)['code']]).toEqual([409, 'outcome_unknown']);
    expect(upstream.spent).toBe(1);
  });
});
