import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { toBinary } from '@bufbuild/protobuf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { openMetrics } from '../../src/observability/metrics.ts';
import { version } from '../../src/schemas/product-version.ts';
import { storeUnavailable } from '../../src/state/store-failure.ts';
import { idOf, statusOf } from '../support/responses.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startKeyedGateway } from '../support/keyed-gateway.ts';
import { labelBounds } from '../support/label-bounds.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';

const prompt = { prompt: 'a red cat' };
/** Generous, because other work may share the machine. */
const soon = { timeout: 10_000 };
const isOn = { METRICS_PORT: '0' };
/** An address where nothing listens, for tests that need no upstream. */
const alone = { UPSTREAM_ADDRESS: 'http://127.0.0.1:1' };
const image = (id: string) => `/operations/${id}/image?wait=10`;

/** Sends bytes as they are and reads until the other side closes. */
async function exchange(gateway: Gateway, text: string): Promise<void> {
  const { hostname, port } = new URL(gateway.origin);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined).resume();
  await once(socket, 'connect');
  socket.write(text);
  await once(socket, 'close');
}

/** Keeps the event loop busy. */
function stallMs(ms: number): void {
  const startMs = performance.now();
  while (performance.now() - startMs < ms);
}

describe('the port of metrics', () => {
  it('is closed by default, and the public port has no metrics', async () => {
    const gateway = await startGateway({ ...alone, METRICS_PORT: '' });
    expect(gateway.metricsAddress).toBeUndefined();
    expect(await statusOf(gateway.fetch('/metrics'))).toBe(404);
    await gateway.close();
  });

  it('serves only GET /metrics, on loopback, one for each gateway', async () => {
    const first = await startGateway({ ...alone, ...isOn });
    const second = await startGateway({ ...alone, ...isOn });
    await first.fetch('/livez');
    await expect
      .poll(async () => (await first.metrics()).sum('gateway_http_requests_total'), soon)
      .toBe(1);
    expect((await second.metrics()).sum('gateway_http_requests_total')).toBe(0);
    const address = first.metricsAddress ?? '';
    expect(new URL(address).hostname).toBe('127.0.0.1');
    const responses = [
      await fetch(address),
      await fetch(address, { method: 'POST' }),
      await fetch(new URL('/livez', address)),
    ];
    expect(responses.map(({ status }) => status)).toEqual([200, 405, 404]);
    expect(responses[0]?.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await statusOf(first.fetch('/metrics'))).toBe(404);
    await second.close();
    await first.close();
  });

  it('reports a drain until the last request has ended', async () => {
    const upstream = await startRawUpstream();
    const gateway = await startGateway({ UPSTREAM_ADDRESS: upstream.address, ...isOn });
    await expect.poll(() => statusOf(gateway.fetch('/readyz')), soon).toBe(200);
    expect((await gateway.metrics()).sum('gateway_readiness', { state: 'ready' })).toBe(1);
    const created = gateway.create(prompt);
    await expect.poll(() => upstream.calls.length, soon).toBe(1);
    const closed = gateway.close();
    const during = await gateway.metrics();
    expect(during.sum('gateway_readiness', { state: 'draining' })).toBe(1);
    expect(during.sum('gateway_readiness')).toBe(1);
    expect(during.sum('gateway_http_requests_in_flight')).toBeGreaterThan(0);
    upstream.cut();
    await created;
    await closed;
    await expect(gateway.metrics()).rejects.toThrow();
    await upstream.close();
  });
});

const running = raw.ok(toBinary(OperationSchema, runningOperation('upstream1')));
const succeeded = raw.ok(toBinary(OperationSchema, succeededOperation('upstream1')));

describe('what is counted', () => {
  let upstream: RawUpstream;
  let gateway: Gateway;

  beforeAll(async () => {
    upstream = await startRawUpstream();
    gateway = await startGateway({
      UPSTREAM_ADDRESS: upstream.address,
      UPSTREAM_POLL_INTERVAL_MS: '20',
      IMAGES_PER_DAY_MAX: '6',
      ...isOn,
    });
    while ((await statusOf(gateway.fetch('/readyz'))) !== 200) await setImmediate();
  });

  beforeEach(() => {
    upstream.on('Generate', running);
    upstream.on('Get', running);
  });

  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  const read = (name: string, labels?: Record<string, string>) => async () =>
    (await gateway.metrics()).sum(name, labels);

  it('an image: its requests, calls, end, duration, polls and bytes', async () => {
    const id = await idOf(gateway.create(prompt));
    const waits = [0, 1, 2].map(() => gateway.fetch(image(id)));
    await expect.poll(read('gateway_waiters'), soon).toBe(3);
    const during = await gateway.metrics();
    expect(during.sum('gateway_operations_polled')).toBe(1);
    expect(during.sum('gateway_http_requests_in_flight')).toBe(3);
    upstream.on('Get', succeeded);
    for (const response of await Promise.all(waits)) await response.arrayBuffer();
    await expect.poll(read('gateway_http_requests_in_flight'), soon).toBe(0);
    const after = await gateway.metrics();
    const route = '/operations/:id/image';
    const labels = { route, method: 'GET', status: '200', caller_class: 'anonymous' };
    expect(after.sum('gateway_http_requests_total', labels)).toBe(3);
    expect(after.sum('gateway_http_request_duration_seconds_count', { route })).toBe(3);
    expect(after.sum('gateway_creates_total', { outcome: 'accepted' })).toBe(1);
    const generates = { method: 'Generate', code: 'OK' };
    expect(after.sum('gateway_upstream_calls_total', generates)).toBe(1);
    const reads = after.sum('gateway_upstream_calls_total', { method: 'Get', code: 'OK' });
    expect(after.sum('gateway_operations_ended_total', { outcome: 'succeeded' })).toBe(1);
    expect(after.sum('gateway_operation_polls_sum')).toBe(reads);
    // A late poll on a busy machine says nothing about the duration.
    expect(after.sum('gateway_operation_duration_seconds_count')).toBeLessThanOrEqual(1);
    expect(after.sum('gateway_result_cache_hits_total')).toBe(3);
    expect(after.sum('gateway_result_cache_bytes')).toBeGreaterThan(0);
    expect([after.sum('gateway_waiters'), after.sum('gateway_operations_polled')]).toEqual([0, 0]);
    expect(after.sum('gateway_image_held_bytes')).toBe(0);
    expect(after.sum('gateway_operations_tracked')).toBe(1);
  });

  it('open event streams, and callers that hang up', async () => {
    const id = await idOf(gateway.create(prompt));
    const controller = new AbortController();
    const given = gateway.fetch(image(id), { signal: controller.signal }).then(
      () => 'response',
      () => 'gone',
    );
    await expect.poll(read('gateway_waiters'), soon).toBe(1);
    controller.abort();
    expect(await given).toBe('gone');
    await expect.poll(read('gateway_http_requests_total', { status: 'hung_up' }), soon).toBe(1);
    await expect.poll(read('gateway_waiters'), soon).toBe(0);

    const response = await gateway.fetch(`/operations/${id}/events`);
    await expect.poll(read('gateway_event_streams_open'), soon).toBe(1);
    await expect.poll(read('gateway_waiters'), soon).toBe(1);
    upstream.on('Get', succeeded);
    await response.text();
    await expect.poll(read('gateway_event_streams_open'), soon).toBe(0);
  });

  it('replays and joins of a key, and used up limits', async () => {
    let respondNow: () => void = () => undefined;
    upstream.on(
      'Generate',
      { ...raw.hang, act: (...call) => (respondNow = () => running.act(...call)) },
      running,
    );
    const headers = { 'idempotency-key': 'metrics-key-1' };
    const both = [gateway.create(prompt, headers), gateway.create(prompt, headers)];
    // Reserved, dispatched, and the other one's attempt to reserve.
    await expect
      .poll(
        read('gateway_store_call_duration_seconds_count', {
          call: 'swapRecord',
        }),
        soon,
      )
      .toBeGreaterThanOrEqual(3);
    respondNow();
    expect(new Set(await Promise.all(both.map(idOf))).size).toBe(1);
    await gateway.create(prompt, headers);
    const later = await gateway.metrics();
    expect(later.sum('gateway_creates_total', { outcome: 'joined' })).toBe(1);
    expect(later.sum('gateway_creates_total', { outcome: 'replayed' })).toBe(1);
    expect(later.sum('gateway_limit_quantity', { limit: 'gateway-day' })).toBe(6);
    const left = later.sum('gateway_limit_remaining', { limit: 'gateway-day' });
    expect(left).toBe(6 - later.sum('gateway_creates_total', { outcome: 'accepted' }));
    for (let more = 0; more < left; more += 1) await gateway.create(prompt);
    expect(await statusOf(gateway.create(prompt))).toBe(429);
    const used = await gateway.metrics();
    expect(used.sum('gateway_limited_total', { limit: 'gateway-day' })).toBe(1);
    expect(used.sum('gateway_limit_remaining', { limit: 'gateway-day' })).toBe(0);
    const refused = { outcome: 'not_started', reason: 'rate_limited' };
    expect(used.sum('gateway_creates_total', refused)).toBe(1);
    expect(used.sum('gateway_store_failures_total')).toBe(0);
  });

  it('data that is no request, and the delay of the loop', async () => {
    await exchange(gateway, 'no request\r\n\r\n');
    await exchange(gateway, `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(9_000)}\r\n\r\n`);
    const later = await gateway.metrics();
    expect(later.sum('gateway_http_broken_requests_total', { reason: 'malformed' })).toBe(1);
    expect(later.sum('gateway_http_broken_requests_total', { reason: 'too_large' })).toBe(1);
    const worst = later.sum('gateway_event_loop_delay_seconds', { stat: 'max' });
    expect(worst).toBeGreaterThanOrEqual(
      later.sum('gateway_event_loop_delay_seconds', { stat: 'p50' }),
    );
    expect(later.sum('gateway_build_info', { version, node: process.version })).toBe(1);
    expect(later.sum('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  });
});

it('unknown outcomes and a failing store are counted apart from the rest', async () => {
  const upstream = await startRawUpstream();
  let isDown = false;
  const gateway = await startGateway(
    { UPSTREAM_ADDRESS: upstream.address, ...isOn },
    {
      throughStore: (store) => ({
        ...store,
        swapRecord: (...wanted) =>
          isDown
            ? Promise.reject(storeUnavailable(new Error('down')))
            : store.swapRecord(...wanted),
        close: () => store.close(),
      }),
    },
  );
  await expect.poll(() => statusOf(gateway.fetch('/readyz')), soon).toBe(200);
  upstream.on('Generate', raw.status(13));
  const headers = { 'idempotency-key': 'metrics-key-2' };
  expect(await statusOf(gateway.create(prompt, headers))).toBe(502);
  expect(await statusOf(gateway.create(prompt, headers))).toBe(409);
  isDown = true;
  expect(await statusOf(gateway.create(prompt, headers))).toBe(503);
  const seen = await gateway.metrics();
  const unknown = { outcome: 'unknown' };
  expect(seen.sum('gateway_creates_total', unknown)).toBe(2);
  expect(seen.sum('gateway_creates_total', { ...unknown, reason: 'outcome_unknown' })).toBe(1);
  const down = { outcome: 'not_started', reason: 'store_unavailable' };
  expect(seen.sum('gateway_creates_total', down)).toBe(1);
  expect(seen.sum('gateway_store_failures_total', { call: 'swapRecord' })).toBe(1);
  await gateway.close();
  await upstream.close();
});

it('an open circuit is visible', async () => {
  const upstream = await startRawUpstream();
  const gateway = await startGateway({ UPSTREAM_ADDRESS: upstream.address, ...isOn });
  await expect.poll(() => statusOf(gateway.fetch('/readyz')), soon).toBe(200);
  upstream.on('Generate', raw.status(14));
  upstream.on('Get', raw.status(14));
  const stateOf = async (method: string) =>
    (await gateway.metrics()).sum('gateway_breaker_state', { method });
  expect(await stateOf('Generate')).toBe(0);
  for (let failure = 0; failure < 5; failure += 1) await gateway.create(prompt);
  expect(await stateOf('Generate')).toBe(2);
  expect(await stateOf('Get')).toBe(0);
  await gateway.close();
  await upstream.close();
});

it('shed work is counted by its kind', async () => {
  const gateway = await startGateway({ ...alone, LOOP_DELAY_MS_MAX: '5', ...isOn });
  const shed = async () => {
    stallMs(30);
    await gateway.create(prompt);
    return (await gateway.metrics()).sum('gateway_shed_total', { kind: 'create' });
  };
  await expect.poll(shed, soon).toBeGreaterThan(0);
  expect((await gateway.metrics()).sum('gateway_pressure_ratio')).toBeGreaterThan(0);
  await gateway.close();
});

describe('the series', () => {
  it('stay few, however odd the routes, methods, credentials and codes are', async () => {
    const upstream = await startRawUpstream();
    const routes = new Set(['unmatched']);
    const gateway = await startGateway(
      { UPSTREAM_ADDRESS: upstream.address, UPSTREAM_POLL_INTERVAL_MS: '10', ...isOn },
      { extend: (app) => void app.addHook('onRoute', ({ url }) => void routes.add(url)) },
    );
    const bounds: Readonly<Record<string, ReadonlySet<string>>> = { ...labelBounds, route: routes };
    await expect.poll(() => statusOf(gateway.fetch('/readyz')), soon).toBe(200);
    upstream.on('Generate', running);
    const id = await idOf(gateway.create(prompt));
    const callsWith = async (code: number | string) => {
      upstream.on('Generate', raw.status(code, `odd ${code}`));
      upstream.on('Get', raw.status(code, `odd ${code}`));
      await gateway.create(prompt, { 'x-request-id': `odd${code}` });
      await gateway.fetch(`/operations/${id}/image`);
    };
    const oddities = async (round: number) => {
      const text = `odd${round}`;
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        await gateway.fetch(`/${text}/${text}?${text}=${text}`, { method });
        await gateway.fetch(`/operations/${text}`, { method });
        await gateway.fetch(`/v1/${text}/%ff`, { method });
      }
      for (const method of ['PROPFIND', 'PURGE', 'MKCOL', 'LINK'].slice(round)) {
        const lines = [`${method} /${text} HTTP/1.1`, 'Host: x', 'Connection: close', '', ''];
        await exchange(gateway, lines.join('\r\n'));
      }
      await exchange(gateway, `${text}\r\n\r\n`);
      await gateway.create({ [text]: text }, { authorization: `Bearer ${text}` });
      for (const code of [`banana${round}`, round + 17, round * 1_000]) await callsWith(code);
    };
    for (let code = 1; code <= 16; code += 1) await callsWith(code);
    for (const round of [1, 2, 3]) await oddities(round);
    const { samples } = await gateway.metrics();
    const ours = samples.filter(({ name }) => name.startsWith('gateway_'));
    const unexpected = ours.flatMap(({ labels }) =>
      Object.entries(labels).filter(([label, value]) => bounds[label]?.has(value) !== true),
    );
    expect(unexpected).toEqual([]);
    expect(ours.length).toBeLessThan(1_000);
    await gateway.close();
    await upstream.close();
  });

  it('hold no key, token, prompt, id or name of a caller', async () => {
    const canary = 'canary-4f1d';
    const fixture = await startKeyedGateway({
      callers: { [canary]: { imagesPerMinuteMax: 2 } },
      emulator: { latencyMs: 10 },
      environment: isOn,
    });
    const { gateway } = fixture;
    const key = fixture.keyOf(canary);
    const headers = { ...key, 'idempotency-key': `${canary}-idempotency` };
    const id = await idOf(gateway.create({ prompt: `${canary} prompt` }, headers));
    const operation = await gateway.fetch(`/operations/${id}?wait=10`, { headers: key });
    const { response } = (await operation.json()) as { response: { url: string } };
    await (await fetch(response.url)).arrayBuffer();
    const made = await gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...key, 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['operations:read'] }),
    });
    const { token } = (await made.json()) as { token: string };
    await gateway.fetch(`/operations/${id}`, { headers: { authorization: `Bearer ${token}` } });
    await gateway.fetch('/v1/models', { headers: { authorization: `Bearer ${canary}` } });
    for (let more = 0; more < 3; more += 1) await gateway.create(prompt, key);
    const text = await (await fetch(gateway.metricsAddress ?? '')).text();
    const exposed = Array.from(text.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name);
    const described = openMetrics({ version, elapsedMs: () => 0 });
    expect(new Set(exposed)).toEqual(new Set(described.describe().map(({ name }) => name)));
    described.stop();
    const link = new URL(response.url).searchParams.get('token') ?? '';
    expect(link).not.toBe('');
    const secrets = [canary, key['x-api-key'] ?? '', token, link, id, 'red cat'];
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
    const seen = await gateway.metrics();
    const classes = ['key', 'link', 'token', 'refused'];
    const counted = classes.filter(
      (caller_class) => seen.sum('gateway_http_requests_total', { caller_class }) > 0,
    );
    expect(counted).toEqual(classes);
    expect(seen.sum('gateway_limited_total', { limit: 'minute' })).toBeGreaterThan(0);
    await fixture.close();
  });
});
