import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openRedisStore } from '../../src/state/redis-store.ts';
import type { RecordWrite, StateStore } from '../../src/state/state-store.ts';
import { recordWrite } from '../state/record-write.ts';
import { describeStateStore } from '../state/state-store-contract.ts';
import { startRedisServer, type RedisServer } from './redis-server.ts';

const unavailable = { reason: 'store_unavailable' };
const claim = { kind: 'rate', key: 'r', quantity: 10, periodMs: 60_000, cost: 1 } as const;

const opened: { close(): Promise<void> }[] = [];
const servers: RedisServer[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()));
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

/** A server and a store on it; both end after the test. */
async function openOn(settings: readonly string[] = [], before?: readonly RedisServer[]) {
  const server = await startRedisServer(settings);
  servers.push(server, ...(before ?? []));
  return { server, ...(await openAt(server.url)) };
}

async function openAt(
  url: string,
  factsEveryMs?: number,
): Promise<{ store: StateStore; logged: string[] }> {
  const logged: string[] = [];
  const note = (fields: object, message: string) =>
    void logged.push(`${message} ${JSON.stringify(fields)}`);
  const store = await openRedisStore({
    url,
    log: { info: note, warn: note, error: note },
    ...(factsEveryMs !== undefined && { factsEveryMs }),
  });
  opened.push(store);
  return { store, logged };
}

async function swapAt(store: StateStore, key: string, changes: Partial<RecordWrite> = {}) {
  return store.swapRecord(key, undefined, { ...recordWrite, ...changes });
}

/** Milliseconds until the call is refused. @throws Error when it is not. */
async function refusalMs(call: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await expect(call()).rejects.toMatchObject(unavailable);
  return performance.now() - startMs;
}

async function until(
  condition: () => Promise<boolean> | boolean,
  limitMs: number,
): Promise<number> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > limitMs) throw new Error(`not within ${limitMs} ms`);
    await sleep(20);
  }
  return performance.now() - startMs;
}

const works = (store: StateStore) => () =>
  swapAt(store, 'probe', { durable: true }).then(
    () => true,
    () => false,
  );

describe('on a server', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedisServer();
    process.stdout.write(`the store tests run on ${server.version}\n`);
  });
  afterAll(() => server.stop());

  describeStateStore('the shared store', async () => {
    const options = { url: server.url };
    const [store, other] = [await openRedisStore(options), await openRedisStore(options)];
    return {
      store,
      other,
      close: async () => void (await Promise.all([store.close(), other.close()])),
    };
  });
});

describe('a server whose clock was set back by an hour', () => {
  const hourMs = 3_600_000;
  const key = (kind: string, name: string) => `{image-generation-gateway}:${kind}:${name}`;

  it('holds no caller back for longer than its limit lasts', async () => {
    const { server, store } = await openOn();
    const client = new Redis(server.url);
    opened.push({ close: async () => client.disconnect() });
    const ahead = Date.now() + hourMs;
    await client.set(key('rate', 'r'), String(ahead), 'PX', 2 * hourMs);
    await client.set(key('count', 'c'), '5', 'PX', 2 * hourMs);
    await client.zadd(key('slot', 's'), ahead, 'gone');
    const claims = [
      { kind: 'rate', key: 'r', quantity: 10, periodMs: 1_000, cost: 1 },
      { kind: 'count', key: 'c', quantity: 5, keepMs: 60_000, cost: 1 },
      { kind: 'slot', key: 's', quantity: 1, leaseMs: 60_000, holder: 'a' },
    ] as const;
    const { areTaken, claims: states } = await store.takeClaims(claims);
    expect(areTaken).toBe(false);
    expect(states[0]?.resetMs).toBeLessThanOrEqual(100);
    expect(states[1]?.resetMs).toBeLessThanOrEqual(60_000);
    expect(states[2]?.resetMs).toBeLessThanOrEqual(600_000);
    await until(async () => (await store.takeClaims([claims[0]])).areTaken, 5_000);
  });

  it('leaves a record a whole lease at most', async () => {
    const { server, store } = await openOn();
    const client = new Redis(server.url);
    opened.push({ close: async () => client.disconnect() });
    await swapAt(store, 'k', { leaseMs: 2_000 });
    await client.hset(key('record', 'k'), 'l', String(Date.now() + hourMs));
    const leftMs = async () => (await swapAt(store, 'k')).record?.leaseLeftMs ?? Infinity;
    expect(await leftMs()).toBeLessThanOrEqual(2_000);
    await until(async () => (await leftMs()) <= 0, 10_000);
  });

  it('counts no gateway as alive for longer than it said', async () => {
    const { server, store } = await openOn();
    const client = new Redis(server.url);
    opened.push({ close: async () => client.disconnect() });
    await client.zadd('{image-generation-gateway}:gateways', Date.now() + hourMs, 'gone');
    expect(await store.announce('alive', 6_000)).toBe(1);
  });
});

describe('a server', () => {
  it.each([
    ['a log that is synced with every write', ['--appendfsync', 'always'], 'machine'],
    ['no log and no replica', ['--appendonly', 'no'], 'gateway'],
  ])('with %s has that durability', async (_, settings, durability) => {
    const { store } = await openOn(settings);
    expect(store.durability).toBe(durability);
  });

  it('with a log keeps every durable write through kill -9', async () => {
    const { server, store } = await openOn(['--appendfsync', 'always']);
    const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`);
    await Promise.all(keys.map((key) => swapAt(store, key, { durable: true, data: key })));
    await server.restart();
    await until(works(store), 5_000);
    for (const key of keys) expect((await swapAt(store, key)).record?.data).toBe(key);
  });

  it('that may evict records is refused, and the log says why', async () => {
    const { store, logged } = await openOn([
      ...['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'],
    ]);
    await expect(swapAt(store, 'k')).rejects.toMatchObject(unavailable);
    await expect(swapAt(store, 'k', { durable: true })).rejects.toMatchObject(unavailable);
    expect(logged.join('\n')).toContain('set maxmemory-policy to noeviction, not allkeys-lru');
    expect((await store.takeClaims([claim])).areTaken).toBe(true);
  });

  it('that is full refuses writes, and evicts nothing', async () => {
    const { store } = await openOn(['--maxmemory', '3mb', '--maxmemory-policy', 'noeviction']);
    await swapAt(store, 'first', { data: 'first' });
    let written = 0;
    const fill = async () => {
      for (; written < 2_000; written += 1) {
        await swapAt(store, `k${written}`, { data: 'x'.repeat(10_000) });
      }
    };
    await expect(fill()).rejects.toMatchObject(unavailable);
    expect(written).toBeGreaterThan(10);
    expect((await swapAt(store, 'first')).record?.data).toBe('first');
  });

  it('that hangs is given up after a quarter of a second, and used again later', async () => {
    const { server, store } = await openOn();
    await swapAt(store, 'k');
    await server.freeze();
    const plain = await refusalMs(() => swapAt(store, 'k'));
    const durable = await refusalMs(() => swapAt(store, 'k', { durable: true }));
    const claims = await refusalMs(() => store.takeClaims([claim]));
    for (const ms of [plain, durable, claims]) {
      expect(ms).toBeGreaterThan(200);
      expect(ms).toBeLessThan(600);
    }
    server.thaw();
    await until(works(store), 2_000);
  });

  it('that is gone fails calls at once, and is used again when it is back', async () => {
    const { server, store, logged } = await openOn();
    await swapAt(store, 'k', { data: 'before' });
    await server.crash();
    await until(() => logged.some((line) => line.includes('out of reach')), 2_000);
    expect(await refusalMs(() => swapAt(store, 'k'))).toBeLessThan(50);
    expect(await refusalMs(() => swapAt(store, 'k', { durable: true }))).toBeLessThan(50);
    await server.restart();
    const backMs = await until(works(store), 5_000);
    expect(backMs).toBeLessThan(3_000);
    await until(() => logged.some((line) => line.startsWith('the store is back')), 1_000);
    expect((await swapAt(store, 'k')).record?.data).toBe('before');
  });

  it('may start later than the gateway', async () => {
    const server = await startRedisServer();
    await server.crash();
    servers.push(server);
    const { store, logged } = await openAt(server.url.replace('//', '//user:hunter2@'));
    expect(await refusalMs(() => swapAt(store, 'k'))).toBeLessThan(50);
    expect(logged.join('\n')).not.toContain('hunter2');
    const { store: plain } = await openAt(server.url);
    await server.restart();
    await until(works(plain), 5_000);
  });

  it('with a replica waits for it, and refuses writes while it hangs', async () => {
    const main = await startRedisServer([
      ...['--appendonly', 'no', '--repl-diskless-sync-delay', '0'],
    ]);
    const replica = await startRedisServer([
      ...['--appendonly', 'no', '--replicaof', '127.0.0.1', String(main.port)],
    ]);
    servers.push(main, replica);
    const { store } = await openAt(main.url, 100);
    await until(() => store.durability === 'server', 10_000);
    expect((await swapAt(store, 'k', { durable: true })).swapped).toBe(true);
    await replica.freeze();
    expect(await refusalMs(() => swapAt(store, 'k2', { durable: true }))).toBeLessThan(2_500);
    expect((await swapAt(store, 'k3')).swapped).toBe(true);
    replica.thaw();
    await until(works(store), 5_000);
    // A replica that is gone is not waited for, and the durability becomes lower.
    await replica.crash();
    await until(() => store.durability === 'gateway', 10_000);
    expect((await swapAt(store, 'k4', { durable: true })).swapped).toBe(true);
  });

  it('that is a replica is refused', async () => {
    const main = await startRedisServer();
    const replica = await startRedisServer(['--replicaof', '127.0.0.1', String(main.port)]);
    servers.push(main, replica);
    const { store, logged } = await openAt(replica.url);
    await expect(swapAt(store, 'k')).rejects.toMatchObject(unavailable);
    expect(logged.join('\n')).toContain('it is a replica');
  });
});
