import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { contracts } from '../../src/schemas/contracts/all-contracts.ts';
import { idOf } from '../support/responses.ts';
import { recordFigure } from '../support/figure.ts';
import type { Gateway } from '../support/gateway.ts';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';

let keyed: KeyedGateway;
let emulator: Emulator;
let gateway: Gateway;
let upstreamId = '';

beforeAll(async () => {
  keyed = await startKeyedGateway({
    callers: { shop: {}, blog: {} },
    emulator: { latencyMs: 30, onBilled: (_request, id) => (upstreamId = id) },
  });
  ({ emulator, gateway } = keyed);
});
afterAll(() => keyed.close());

async function tokenFor(apiKey: string): Promise<string> {
  const response = await gateway.fetch('/v1/tokens', {
    method: 'POST',
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ scopes: ['images:create', 'operations:read'], ttlSeconds: 60 }),
  });
  return ((await response.json()) as { token: string }).token;
}

it('no credential opens an operation of another caller on any route, and a foreign id looks like any wrong one', async () => {
  const { shop = '', blog = '' } = keyed.file.keys;
  const own = { 'x-api-key': shop, prefer: 'wait=20' };
  const id = await idOf(gateway.create({ prompt: 'a red cat' }, own));
  const blogs = await idOf(gateway.create({ prompt: 'a red cat' }, { 'x-api-key': blog }));
  const gets = emulator.ledger.gets;
  const last = id.at(-1) === 'A' ? 'B' : 'A';
  const wrongIds = {
    foreign: id,
    'foreign, one character changed': `${id.slice(0, -1)}${last}`,
    'own and foreign mixed': `${blogs.slice(0, 40)}${id.slice(40)}`,
    shortened: id.slice(0, -4),
    'the upstream’s own': upstreamId,
    'never made': `op_${'A'.repeat(id.length - 3)}`,
    'no id': 'cat',
    'percent-encoded': `op_%2e%2e`,
  };
  const credentials = {
    'API key': { 'x-api-key': blog },
    'bearer key': { authorization: `Bearer ${blog}` },
    token: { authorization: `Bearer ${await tokenFor(blog)}` },
  };
  const routes = contracts.filter(({ path }) => path.includes('/operations/{id}'));
  expect(routes.length).toBeGreaterThanOrEqual(5);
  let requests = 0;
  let crossReads = 0;
  let unlike = 0;
  for (const { method, path } of routes) {
    const bodies = new Set<string>();
    for (const headers of Object.values(credentials)) {
      for (const wrong of Object.values(wrongIds)) {
        const response = await gateway.fetch(path.replace('{id}', wrong), {
          method: method.toUpperCase(),
          headers,
        });
        requests += 1;
        const {
          requestId: _,
          instance: __,
          ...body
        } = (await response.json()) as Record<string, unknown>;
        // A token may not cancel at all, whatever the id: one more body, the same for all ids.
        if (response.status === 403) continue;
        if (response.status !== 404) crossReads += 1;
        bodies.add(JSON.stringify(body));
      }
    }
    unlike += bodies.size - 1;
    expect.soft([...bodies], `${method} ${path}`).toHaveLength(1);
  }
  recordFigure({
    promise: 'P5',
    part: 'routes',
    says: 'Tenants can’t see each other; a foreign id looks exactly like a wrong one',
    goal: 'every route × credential × form of id: 0 cross reads, equal responses',
    seen: `${requests} requests (${routes.length} routes × ${Object.keys(credentials).length} credentials × ${Object.keys(wrongIds).length} forms of ids): ${crossReads} cross reads, ${unlike} responses unlike the others of their route`,
    isMet: crossReads === 0 && unlike === 0,
    by: 'npx vitest run test/http/tenants.test.ts',
  });
  expect(crossReads).toBe(0);
  // Refused by the id alone: the upstream was never asked.
  expect(emulator.ledger.gets).toBe(gets);
});
