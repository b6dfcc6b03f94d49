import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { idOf, statusOf } from '../support/responses.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';

let keyed: KeyedGateway;
let emulator: Emulator;
let gateway: Gateway;
let key: Record<string, string>;
const prompt = { prompt: 'a red cat' };

beforeAll(async () => {
  keyed = await startKeyedGateway({
    callers: { shop: {}, blog: {} },
    emulator: { latencyMs: 400 },
    environment: { UPSTREAM_POLL_INTERVAL_MS: '30' },
  });
  ({ emulator, gateway } = keyed);
  key = keyed.keyOf('shop');
});
afterAll(() => keyed.close());

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Every event of a stream that the gateway ends. */
async function eventsOf(response: Response): Promise<Event[]> {
  const blocks = (await response.text()).split('\n\n').filter((block) => block !== '');
  expect(blocks.shift()).toBe('retry: 2000');
  return blocks
    .filter((block) => !block.startsWith(':'))
    .map((block) => {
      const fields = Object.fromEntries(
        block
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      return {
        id: fields['id'] ?? '',
        event: fields['event'] ?? '',
        data: JSON.parse(fields['data'] ?? ''),
      };
    });
}

describe('the events of an operation', () => {
  it('are its state now and its end, and then the stream ends', async () => {
    // The first look at it fails, so the state now is the one at its creation, however late this is.
    emulator.faults.inject('Get', { kind: 'status', code: 14, message: 'busy' });
    const id = await idOf(gateway.create(prompt, key));
    const response = await gateway.fetch(`/operations/${id}/events`, { headers: key });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store, no-transform');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    const events = await eventsOf(response);
    expect(events.map((each) => [each.id, each.event])).toEqual([
      ['1', 'running'],
      ['2', 'succeeded'],
    ]);
    expect(events[0]?.data).toMatchObject({ id, status: 'running', done: false });
    expect(events[1]?.data).toMatchObject({ id, status: 'succeeded', done: true });
    expect(events[1]?.data['response']).not.toHaveProperty('image');
  });

  it('continue after Last-Event-ID, and are a 204 after the last one', async () => {
    const id = await idOf(gateway.create(prompt, { ...key, prefer: 'wait=10' }));
    const from = (last: string) =>
      gateway.fetch(`/operations/${id}/events`, { headers: { ...key, 'last-event-id': last } });
    expect((await eventsOf(await from('1'))).map(({ event }) => event)).toEqual(['succeeded']);
    for (const last of ['no number', '0', '3', '999', '02']) {
      expect((await eventsOf(await from(last))).map(({ id: each }) => each)).toEqual(['2']);
    }
    expect(await statusOf(from('2'))).toBe(204);
  });

  it('open with the link of the operation without a key, and for no other caller', async () => {
    const created = await gateway.create(prompt, key);
    const { id, urls } = (await created.json()) as { id: string; urls: { events: string } };
    const link = new URL(urls.events);
    const events = await eventsOf(await gateway.fetch(link.pathname + link.search));
    expect(events.at(-1)?.event).toBe('succeeded');
    const blog = keyed.keyOf('blog');
    expect(await statusOf(gateway.fetch(`/operations/${id}/events`, { headers: blog }))).toBe(404);
    expect(await statusOf(gateway.fetch(`/operations/${id}/events`))).toBe(401);
  });

  it('report a failure like any other end', async () => {
    emulator.faults.inject('Get', { kind: 'error', code: 13, message: 'broken', done: true });
    const id = await idOf(gateway.create(prompt, key));
    const events = await eventsOf(
      await gateway.fetch(`/operations/${id}/events`, { headers: key }),
    );
    expect(events.at(-1)).toMatchObject({ event: 'failed', data: { error: { code: 13 } } });
  });

  it('are polled once, however many listen', async () => {
    const before = emulator.ledger.gets;
    const id = await idOf(gateway.create(prompt, key));
    const listeners = Array.from({ length: 20 }, () =>
      gateway.fetch(`/operations/${id}/events`, { headers: key }).then(eventsOf),
    );
    const all = await Promise.all(listeners);
    expect(all.every((events) => events.at(-1)?.event === 'succeeded')).toBe(true);
    expect(emulator.ledger.gets - before).toBeLessThan(25);
  });

  it('end the polls when the last listener has gone', async () => {
    const id = await idOf(gateway.create(prompt, key));
    const controller = new AbortController();
    const response = await gateway.fetch(`/operations/${id}/events`, {
      headers: key,
      signal: controller.signal,
    });
    await response.body?.getReader().read();
    controller.abort();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = emulator.ledger.gets;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(emulator.ledger.gets).toBe(before);
  });

  it('are only headers for HEAD, and come whatever Accept says', async () => {
    const id = await idOf(gateway.create(prompt, key));
    const head = await gateway.fetch(`/operations/${id}/events`, { method: 'HEAD', headers: key });
    expect([head.status, head.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ]);
    for (const accept of ['application/json', 'application/problem+json', 'text/plain']) {
      const response = await gateway.fetch(`/operations/${id}/events`, {
        headers: { ...key, accept },
      });
      expect((await eventsOf(response)).at(-1)?.event).toBe('succeeded');
    }
  });

  it('are also chosen by Accept, on the operation and on the create', async () => {
    const accept = { ...key, accept: 'text/event-stream' };
    const created = await gateway.create(prompt, accept);
    expect(created.status).toBe(200);
    const id = created.headers.get('x-operation-id');
    const events = await eventsOf(created);
    expect(events.map(({ event }) => event)).toEqual(['running', 'succeeded']);
    expect(events[0]?.data['id']).toBe(id);
    const again = await gateway.fetch(`/operations/${id}`, { headers: accept });
    expect((await eventsOf(again)).map(({ event }) => event)).toEqual(['succeeded']);
  });

  it('end when the gateway stops', async () => {
    const other = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      DRAWING_DELAY_MS: '0',
    });
    emulator.faults.inject('Get', { kind: 'delay', delayMs: 3_000 });
    const id = await idOf(other.create(prompt));
    const listening = other.fetch(`/operations/${id}/events`).then((response) => response.text());
    await new Promise((resolve) => setTimeout(resolve, 100));
    const startMs = performance.now();
    await other.close();
    expect(await listening).toContain('event: running');
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
