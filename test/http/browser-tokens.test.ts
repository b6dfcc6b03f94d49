import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';
import { idOf, jsonOf } from '../support/responses.ts';

let keyed: KeyedGateway;

beforeAll(async () => {
  keyed = await startKeyedGateway({ callers: { shop: {} }, emulator: { latencyMs: 20 } });
});
afterAll(() => keyed.close());

async function lentToken(): Promise<Record<string, string>> {
  const lent = await jsonOf(
    keyed.gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...keyed.keyOf('shop'), 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['images:create', 'operations:read'] }),
    }),
  );
  return { authorization: `Bearer ${String(lent['token'])}` };
}

it('a browser’s token has idempotency keys of its own', async () => {
  const create = async (headers: Record<string, string>, prompt: string) => {
    const response = await keyed.gateway.create(
      { prompt },
      { ...headers, 'idempotency-key': 'one' },
    );
    const isReplay = response.headers.has('idempotency-replayed');
    return { status: response.status, isReplay, id: await idOf(response) };
  };
  const [first, second] = [await lentToken(), await lentToken()];
  const byFirst = await create(first, 'a red cat');
  const bySecond = await create(second, 'a blue cat');
  const byCaller = await create(keyed.keyOf('shop'), 'a red cat');
  expect([byFirst, bySecond, byCaller].map(({ status, isReplay }) => [status, isReplay])).toEqual([
    [202, false],
    [202, false],
    [202, false],
  ]);
  expect(new Set([byFirst.id, bySecond.id, byCaller.id]).size).toBe(3);
  expect(await create(first, 'a red cat')).toMatchObject({ isReplay: true, id: byFirst.id });
  expect(await create(keyed.keyOf('shop'), 'a red cat')).toMatchObject({ id: byCaller.id });
});

it('a client’s own retry with a browser’s token joins no request of its caller or another token', async () => {
  const generate = (headers: Record<string, string>, retryCount: string) =>
    jsonOf(
      keyed.gateway.fetch('/v1/images/generations', {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'x-stainless-retry-count': retryCount,
        },
        body: JSON.stringify({ prompt: 'a green cat' }),
      }),
    );
  const before = keyed.emulator.ledger.generates;
  const [first, second] = [await lentToken(), await lentToken()];
  const made = await generate(keyed.keyOf('shop'), '0');
  const byFirst = await generate(first, '1');
  const bySecond = await generate(second, '1');
  expect(new Set([made, byFirst, bySecond].map(({ id }) => id)).size).toBe(3);
  expect(keyed.emulator.ledger.generates - before).toBe(3);
  expect((await generate(first, '1'))['id']).toBe(byFirst['id']);
});
