import { afterEach, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { idOf, jsonOf, statusOf } from '../support/responses.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { TcpGate } from '../support/tcp-gate.ts';

const prompt = { prompt: 'a red cat' };
const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function emulatorWith(options: Parameters<typeof startEmulator>[0] = {}): Promise<Emulator> {
  const emulator = await startEmulator({ latencyMs: 30, latencySpreadRatio: 0, ...options });
  opened.push(() => emulator.close());
  return emulator;
}

async function gatewayWith(environment: Record<string, string>): Promise<Gateway> {
  const gateway = await startGateway({ UPSTREAM_POLL_INTERVAL_MS: '20', ...environment });
  opened.unshift(() => gateway.close());
  return gateway;
}

async function gateBefore(emulator: Emulator): Promise<TcpGate> {
  const gate = await TcpGate.open(emulator.port);
  opened.push(() => gate.close());
  return gate;
}

const image = (gateway: Gateway, id: string) => gateway.fetch(`/operations/${id}/image?wait=10`);

describe('while the upstream’s Generate is down', () => {
  it('a create fails fast and is not started; images and readiness stay', async () => {
    const emulator = await emulatorWith();
    const gate = await gateBefore(emulator);
    const gateway = await gatewayWith({
      UPSTREAM_ADDRESS: gate.address,
      OPERATIONS_ADDRESS: emulator.address,
    });
    const id = await idOf(gateway.create(prompt));
    gate.state = 'shut';
    gate.cut();
    await expect
      .poll(async () => (await jsonOf(gateway.create(prompt)))['outcome'])
      .toBe('not_started');
    const spent = emulator.ledger.generates;
    const startMs = performance.now();
    const refused = await jsonOf(gateway.create(prompt));
    expect(refused).toMatchObject({
      httpStatus: 503,
      code: 'upstream_unavailable',
      outcome: 'not_started',
      retryable: true,
    });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    expect(emulator.ledger.generates).toBe(spent);
    expect(await statusOf(image(gateway, id))).toBe(200);
    expect(await statusOf(gateway.fetch('/readyz'))).toBe(200);
  });
});

describe('while the upstream refuses one caller’s requests', () => {
  const refusals = {
    ...{ INVALID_ARGUMENT: 3, NOT_FOUND: 5, ALREADY_EXISTS: 6, PERMISSION_DENIED: 7 },
    ...{ RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, OUT_OF_RANGE: 11, UNIMPLEMENTED: 12 },
  };

  it.each(Object.entries(refusals))('with %s, creates of others go on', async (_, code) => {
    const emulator = await emulatorWith();
    const gateway = await gatewayWith({ UPSTREAM_ADDRESS: emulator.address });
    for (let count = 0; count < 7; count += 1) {
      emulator.faults.inject('Generate', { kind: 'status', code, message: 'no such thing' });
      expect((await gateway.create(prompt)).status).toBeGreaterThanOrEqual(400);
    }
    expect(await statusOf(gateway.create(prompt))).toBe(202);
  });

  it.each(Object.entries({ UNKNOWN: 2, DEADLINE_EXCEEDED: 4, INTERNAL: 13, UNAVAILABLE: 14 }))(
    'with %s, which is its own failure, creates stop after five',
    async (_, code) => {
      const emulator = await emulatorWith();
      const gateway = await gatewayWith({ UPSTREAM_ADDRESS: emulator.address });
      for (let count = 0; count < 5; count += 1) {
        emulator.faults.inject('Generate', { kind: 'status', code, message: 'broken' });
        await statusOf(gateway.create(prompt));
      }
      expect(await jsonOf(gateway.create(prompt))).toMatchObject({
        code: 'upstream_unavailable',
        outcome: 'not_started',
      });
      expect(emulator.ledger.generates).toBeLessThanOrEqual(5);
    },
  );
});

describe('while the upstream’s Get is down', () => {
  it('a create is accepted, the last known state is returned, and what was read is served', async () => {
    const emulator = await emulatorWith({ latencyMs: 100 });
    const gate = await gateBefore(emulator);
    const gateway = await gatewayWith({
      UPSTREAM_ADDRESS: emulator.address,
      OPERATIONS_ADDRESS: gate.address,
    });
    const read = await idOf(gateway.create(prompt));
    expect(await statusOf(image(gateway, read))).toBe(200);
    gate.state = 'shut';
    gate.cut();
    const created = await gateway.create(prompt);
    expect(created.status).toBe(202);
    const id = await idOf(created);
    const status = await gateway.fetch(`/operations/${id}`);
    expect(status.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(await jsonOf(status)).toMatchObject({ httpStatus: 200, done: false });
    expect(await statusOf(image(gateway, read))).toBe(200);
    expect(await statusOf(gateway.fetch('/readyz'))).toBe(200);
    gate.state = 'open';
    await expect.poll(() => statusOf(image(gateway, id)), { timeout: 12_000 }).toBe(200);
  });
});

describe('while the upstream refuses the gateway’s credential', () => {
  it('creates and reads are 502, three calls a minute go out, and the log says so', async () => {
    const apiKeys = ['good-upstream-key'];
    const emulator = await emulatorWith({ credentials: { apiKeys } });
    const gate = await gateBefore(emulator);
    const gateway = await gatewayWith({
      UPSTREAM_ADDRESS: gate.address,
      UPSTREAM_API_KEY: 'good-upstream-key',
    });
    const id = await idOf(gateway.create(prompt));
    apiKeys.length = 0;
    const responses = [];
    for (let count = 0; count < 20; count += 1) {
      responses.push(await jsonOf(gateway.create(prompt)));
      responses.push(await jsonOf(gateway.fetch(`/operations/${id}`)));
    }
    for (const [index, response] of responses.entries()) {
      const isCreate = index % 2 === 0;
      // The first reads may still tell the state that was known.
      if (!isCreate && index < 20) continue;
      expect(response).toMatchObject({ httpStatus: 502, code: 'upstream_auth' });
      if (isCreate) expect(response).toMatchObject({ outcome: 'not_started' });
    }
    expect(emulator.ledger.refusedCredentials).toBeGreaterThan(0);
    expect(emulator.ledger.refusedCredentials).toBeLessThanOrEqual(3);
    expect(emulator.ledger.generates).toBe(1);
    expect(await statusOf(gateway.fetch('/readyz'))).toBe(200);
    expect(gateway.logLines.join('')).not.toContain('good-upstream-key');
  });
});

describe('while the event loop is late', () => {
  /** Keeps the loop busy, with a little air in between for requests. */
  async function busy(forMs: number): Promise<void> {
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      const stallMs = performance.now() + 60;
      while (performance.now() < stallMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  it('creates are refused and cost nothing, a wait ends at once, and all works again soon after', async () => {
    const emulator = await emulatorWith({ latencyMs: 60_000 });
    const gateway = await gatewayWith({
      UPSTREAM_ADDRESS: emulator.address,
      LOOP_DELAY_MS_MAX: '10',
    });
    const id = await idOf(gateway.create(prompt));
    // Longer than the warm-up in which a late loop is no overload.
    await busy(4_500);
    const [refused, waited, readiness] = await Promise.all([
      gateway.create(prompt),
      jsonOf(gateway.fetch(`/operations/${id}?wait=20`)),
      jsonOf(gateway.fetch('/readyz')),
      busy(300),
    ]);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await jsonOf(refused)).toMatchObject({
      httpStatus: 503,
      code: 'overloaded',
      outcome: 'not_started',
      retryable: true,
    });
    expect(waited).toMatchObject({ httpStatus: 200, status: 'running' });
    expect(readiness).toMatchObject({ httpStatus: 503, status: 'overloaded' });
    expect(emulator.ledger.generates).toBe(1);
    await expect.poll(() => statusOf(gateway.create(prompt)), { timeout: 10_000 }).toBe(202);
    expect(await statusOf(gateway.fetch('/readyz'))).toBe(200);
  });
});

describe('while it drains', () => {
  it('finishes what is in flight, and makes or refuses the create that comes then', async () => {
    const emulator = await emulatorWith({ latencyMs: 600 });
    const gateway = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      UPSTREAM_POLL_INTERVAL_MS: '20',
    });
    const before = await idOf(gateway.create(prompt));
    const waiting = statusOf(gateway.fetch(`/operations/${before}?wait=20`));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const spent = emulator.ledger.generates;
    const closing = gateway.close();
    const late = gateway.create(prompt).then(statusOf, () => 'no connection');
    expect(await waiting).toBe(200);
    const response = await late;
    expect(['no connection', 503, 202]).toContain(response);
    await closing;
    expect(emulator.ledger.generates).toBe(response === 202 ? spent + 1 : spent);
  });
});
