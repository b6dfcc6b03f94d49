import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Service } from '../../src/service/service.ts';
import type { OperationStore } from '../../src/service/operation-store.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { idOf, jsonOf } from '../support/responses.ts';
import { startService } from '../support/service.ts';
import { TcpGate } from '../support/tcp-gate.ts';

let directory = '';
const closing: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'settling-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  await rm(directory, { recursive: true, force: true });
});

/** A store that reports each insert, before it is done or after it. */
type Watch = (when: 'before' | 'after') => Promise<void>;

async function start(watch: Watch = async () => undefined): Promise<{
  readonly gateway: Gateway;
  readonly gate: TcpGate;
  readonly service: Service;
  readonly accepted: () => number;
}> {
  let count = 0;
  const throughStore = (store: OperationStore): OperationStore =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'insert') return value.bind(target);
        return async (...parameters: Parameters<OperationStore['insert']>) => {
          await watch('before');
          const result = await target.insert(...parameters);
          if (result === 'inserted') count += 1;
          await watch('after');
          return result;
        };
      },
    });
  const service = await startService({
    ...{ directory: join(directory, 'service'), delayMs: 60_000, throughStore },
  });
  closing.push(() => service.close(0));
  const gate = await TcpGate.open(service.port);
  closing.push(() => gate.close());
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: `http://127.0.0.1:${gate.port}`,
    UPSTREAM_IS_SERVICE: 'true',
    UPSTREAM_API_KEY: 'no-key-is-needed-for-this-one',
    GENERATE_TIMEOUT_MS: '5000',
  });
  closing.push(() => gateway.close());
  return { gateway, gate, service, accepted: () => count };
}

const image = { prompt: 'a red cat', seed: 7 };
const key = { 'idempotency-key': 'my-key' };

describe('a create in front of the service', () => {
  it.each([
    ['with a key', key],
    ['without one', {}],
  ])(
    '%s is accepted as if nothing had happened when its response is lost',
    async (_name, headers) => {
      const { gateway, gate, accepted } = await start(async (when) => {
        if (when === 'after') gate.cut();
      });
      const created = await jsonOf(gateway.create(image, headers));
      expect(created).toMatchObject({ httpStatus: 202, done: false });
      expect(accepted()).toBe(1);
      // And it is the operation that the service made.
      expect((await gateway.fetch(`/operations/${String(created['id'])}`)).status).toBe(200);
    },
  );

  it('is not started once the service has promised that, and free to be sent again', async () => {
    let isFirst = true;
    let release: () => void = () => undefined;
    const settled = new Promise<void>((resolve) => (release = resolve));
    const { gateway, gate, accepted } = await start(async (when) => {
      if (when === 'after' || !isFirst) return;
      isFirst = false;
      gate.cut();
      // The insert arrives only after the gateway was told that it never will.
      await settled;
    });
    const first = await jsonOf(gateway.create(image, key));
    release();
    expect(first).toMatchObject({ httpStatus: 503, outcome: 'not_started' });
    const second = await jsonOf(gateway.create(image, key));
    expect(second).toMatchObject({ httpStatus: 202 });
    expect(await idOf(gateway.create(image, key))).toBe(second['id']);
    expect(accepted()).toBe(1);
  });

  it('stays unknown while the service is away, and is settled by the next request', async () => {
    const { gateway, gate, accepted } = await start(async (when) => {
      if (when === 'before') return;
      gate.state = 'shut';
      gate.cut();
    });
    const first = await jsonOf(gateway.create(image, key));
    expect(first).toMatchObject({ outcome: 'unknown' });
    gate.state = 'open';
    await expect
      .poll(async () => (await jsonOf(gateway.create(image, key)))['httpStatus'], {
        timeout: 30_000,
      })
      .toBe(202);
    expect(accepted()).toBe(1);
  }, 60_000);
});
