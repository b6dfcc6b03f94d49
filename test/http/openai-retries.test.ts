import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';

let keyed: KeyedGateway;
let prompts = 0;
let prompt = '';
let billed: string[] = [];

beforeAll(async () => {
  keyed = await startKeyedGateway({
    callers: { shop: {}, blog: {} },
    emulator: { latencyMs: 1_500, onBilled: (_request, id) => void billed.push(id) },
  });
});
afterAll(() => keyed.close());
beforeEach(() => {
  prompt = `a cat that is asked for in equal words, ${(prompts += 1)}`;
  billed = [];
});

/** One request of an OpenAI client, as its library sends it. */
function ask(retryCount = 0, caller = 'shop', changes: object = {}) {
  const hangUp = new AbortController();
  const response = keyed.gateway.fetch('/v1/images/generations', {
    method: 'POST',
    headers: {
      ...keyed.keyOf(caller),
      'content-type': 'application/json',
      'x-stainless-retry-count': String(retryCount),
    },
    body: JSON.stringify({ prompt, response_format: 'url', ...changes }),
    signal: hangUp.signal,
  });
  const idsOf = async () => {
    const { data } = (await (await response).json()) as { data: { operation_id: string }[] };
    return data.map((image) => image.operation_id);
  };
  const ids = idsOf().catch(() => [] as string[]);
  return { ids, hangUp: () => hangUp.abort() };
}

async function paid(count: number): Promise<void> {
  await expect.poll(() => billed.length, { timeout: 15_000 }).toBe(count);
}

it('of two equal requests in flight a retry joins the one whose caller has hung up', async () => {
  const one = ask();
  await paid(1);
  const two = ask();
  await paid(2);
  one.hangUp();
  await one.ids;
  const retried = ask(1);
  const [kept, again] = [await two.ids, await retried.ids];
  expect(kept).toHaveLength(1);
  expect(again).toHaveLength(1);
  expect(again).not.toEqual(kept);
  expect(billed).toHaveLength(2);
});

it('two clients that both hang up get an image each, and none is paid twice', async () => {
  const requests = [ask(), ask()];
  await paid(2);
  for (const { hangUp, ids } of requests) {
    hangUp();
    await ids;
  }
  const retries = [ask(1), ask(1)];
  const ids = (await Promise.all(retries.map((retry) => retry.ids))).flat();
  expect(new Set(ids).size).toBe(2);
  expect(billed).toHaveLength(2);
});

it('a client that times out again and again stays with its image', async () => {
  const first = ask();
  await paid(1);
  first.hangUp();
  await first.ids;
  const second = ask(1);
  second.hangUp();
  await second.ids;
  expect(await ask(2).ids).toHaveLength(1);
  expect(billed).toHaveLength(1);
});

it('a retry gets all images of its request, and of no other', async () => {
  const one = ask(0, 'shop', { n: 2 });
  await paid(2);
  const two = ask(0, 'shop', { n: 2 });
  await paid(4);
  one.hangUp();
  await one.ids;
  const ids = [...(await ask(1, 'shop', { n: 2 }).ids), ...(await two.ids)];
  expect(ids).toHaveLength(4);
  expect(new Set(ids).size).toBe(4);
  expect(billed).toHaveLength(4);
});

it('an equal request of another caller is never joined', async () => {
  const one = ask();
  await paid(1);
  one.hangUp();
  await one.ids;
  const other = await ask(1, 'blog').ids;
  expect(other).toHaveLength(1);
  expect(billed).toHaveLength(2);
});
