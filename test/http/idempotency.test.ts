import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Emulator } from '../../src/emulator/emulator.ts';
import { idempotencyKeyFromHeaders } from '../../src/http/idempotency-key.ts';
import type { Gateway } from '../support/gateway.ts';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';

let keyed: KeyedGateway;
let emulator: Emulator;
let gateway: Gateway;
let keyCount = 0;

const prompt = { prompt: 'a red cat' };

beforeAll(async () => {
  keyed = await startKeyedGateway({ callers: { shop: {}, blog: {} }, emulator: { latencyMs: 40 } });
  ({ emulator, gateway } = keyed);
});
afterAll(() => keyed.close());

function freshKey(): string {
  keyCount += 1;
  return `order-${keyCount}`;
}

async function create(
  key: string,
  { body = prompt, caller = 'shop', headers = {} }: Partial<Sent> = {},
): Promise<Answer> {
  const response = await gateway.create(body, {
    'idempotency-key': key,
    ...keyed.keyOf(caller),
    ...headers,
  });
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const bytes = Buffer.from(await response.arrayBuffer());
  const json = isJson ? (JSON.parse(bytes.toString()) as Record<string, unknown>) : {};
  return {
    status: response.status,
    isReplay: response.headers.get('idempotency-replayed') === 'true',
    id: response.headers.get('x-operation-id'),
    json,
  };
}

interface Sent {
  readonly body: unknown;
  readonly caller: string;
  readonly headers: Record<string, string>;
}

interface Answer {
  readonly status: number;
  readonly isReplay: boolean;
  readonly id: string | null;
  readonly json: Record<string, unknown>;
}

describe('a browser token', () => {
  async function token(caller = 'shop'): Promise<Record<string, string>> {
    const response = await gateway.fetch('/v1/tokens', {
      method: 'POST',
      headers: { ...keyed.keyOf(caller), 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['images:create', 'operations:read'], ttlSeconds: 60 }),
    });
    const { token: text } = (await response.json()) as { token: string };
    return { authorization: `Bearer ${text}`, 'x-api-key': '' };
  }

  async function createWith(credential: Record<string, string>, key: string, body: unknown) {
    const headers = Object.entries({ ...credential, 'idempotency-key': key });
    const response = await gateway.create(
      body,
      Object.fromEntries(headers.filter(([, value]) => value !== '')),
    );
    await response.arrayBuffer();
    return { status: response.status, id: response.headers.get('x-operation-id') };
  }

  it('occupies no idempotency key of its caller, and of no other token', async () => {
    const key = freshKey();
    const [one, two] = [await token(), await token()];
    const ids = [];
    for (const [credential, body] of [
      [one, { prompt: 'a cat of a stranger' }],
      [two, { prompt: 'a cat of another one' }],
      [keyed.keyOf('shop'), prompt],
    ] as const) {
      const { status, id } = await createWith(credential, key, body);
      expect(status).toBe(202);
      ids.push(id);
    }
    expect(new Set(ids).size).toBe(3);
    const again = await createWith(one, key, { prompt: 'a cat of a stranger' });
    expect(again.id).toBe(ids[0]);
  });
});

describe('a create with an Idempotency-Key', () => {
  it('finds the same operation when it is resent, and is paid once', async () => {
    const key = freshKey();
    const before = emulator.ledger.generates;
    const first = await create(key);
    const second = await create(key);
    expect(first).toMatchObject({ status: 202, isReplay: false });
    expect(second).toMatchObject({ isReplay: true, id: first.id });
    expect(emulator.ledger.generates).toBe(before + 1);
  });

  it('is paid once when it is sent 30 times at once', async () => {
    const key = freshKey();
    const before = emulator.ledger.generates;
    const responses = await Promise.all(Array.from({ length: 30 }, () => create(key)));
    expect(emulator.ledger.generates).toBe(before + 1);
    expect(new Set(responses.map(({ id }) => id)).size).toBe(1);
    expect(responses.filter(({ isReplay }) => !isReplay)).toHaveLength(1);
  });

  it('is replayed in the form that the second request asks for: as an image, or waited for', async () => {
    const key = freshKey();
    const first = await create(key);
    const waited = await create(key, { headers: { prefer: 'wait=20' } });
    expect(waited).toMatchObject({ status: 200, isReplay: true, id: first.id });
    expect(waited.json).toMatchObject({ status: 'succeeded' });
    const image = await create(key, { headers: { accept: 'image/*' } });
    expect(image).toMatchObject({ status: 200, isReplay: true, id: first.id, json: {} });
  });

  it.each([
    ['in snake case', { prompt: 'a cat', negative_prompt: 'text', seed: '7' }],
    ['with an int64 as a number', { negativePrompt: 'text', seed: 7, prompt: 'a cat' }],
    [
      'with nulls for absent fields',
      { prompt: 'a cat', negativePrompt: 'text', seed: 7, model: null },
    ],
  ])('is the same request %s', async (_name, body) => {
    const key = freshKey();
    const first = await create(key, {
      body: { prompt: 'a cat', negativePrompt: 'text', seed: '7' },
    });
    expect(await create(key, { body })).toMatchObject({ isReplay: true, id: first.id });
  });

  it.each([
    [{ prompt: 'q', seed: 0 }],
    [{ prompt: 'q', seed: '0', model: '', negativePrompt: '', messages: [] }],
    [{ prompt: 'q', generationOptions: { seed: 0, aspectRatio: { widthRatio: 0 } } }],
    [{ messages: [{ text: 'q' }], generationOptions: {}, aspectRatio: '0:0' }],
  ])('is the same request with what means nothing: %j', async (body) => {
    const key = freshKey();
    const first = await create(key, { body: { prompt: 'q' } });
    expect(await create(key, { body })).toMatchObject({ isReplay: true, id: first.id });
  });

  it.each([
    [
      '/foundationModels/v1/imageGenerationAsync',
      { modelUri: 'art://local/yandex-art/latest', messages: [{ text: 'q' }] },
      {
        modelUri: 'art://local/yandex-art/latest',
        messages: [{ text: 'q', weight: '1' }],
        generationOptions: { seed: '0', mimeType: '', aspectRatio: { widthRatio: '0' } },
      },
    ],
    [
      '/v1/images/generations',
      { prompt: 'q' },
      { prompt: 'q', seed: 0, n: 1, size: 'auto', response_format: 'b64_json', stream: false },
    ],
  ])('is the same request on %s with what means nothing', async (path, one, other) => {
    const headers = {
      ...keyed.keyOf('shop'),
      'idempotency-key': freshKey(),
      'content-type': 'application/json',
    };
    const ids = [];
    for (const body of [one, other]) {
      const response = await gateway.fetch(path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      await response.arrayBuffer();
      expect(response.status).toBe(200);
      ids.push(response.headers.get('x-operation-id'));
    }
    expect(ids[1]).toBe(ids[0]);
  });

  it('refuses the key for another request', async () => {
    const key = freshKey();
    await create(key);
    const before = emulator.ledger.generates;
    const other = await create(key, { body: { prompt: 'a green cat' } });
    expect(other.status).toBe(422);
    expect(other.json).toMatchObject({
      code: 'idempotency_key_reused',
      outcome: 'not_started',
      retryable: false,
    });
    expect(emulator.ledger.generates).toBe(before);
  });

  it('keeps the keys of callers apart', async () => {
    const key = freshKey();
    const first = await create(key);
    const other = await create(key, { caller: 'blog', body: { prompt: 'another cat' } });
    expect(other).toMatchObject({ status: 202, isReplay: false });
    expect(other.id).not.toBe(first.id);
  });

  it('may be resent after a refusal that spent nothing', async () => {
    const key = freshKey();
    const wrong = await create(key, { body: { prompt: 'a cat', colour: 'red' } });
    expect(wrong.json).toMatchObject({ code: 'unknown_field', outcome: 'not_started' });
    const before = emulator.ledger.generates;
    const refused = await create(key, { body: { prompt: 'something forbidden' } });
    expect(refused.json).toMatchObject({ code: 'content_policy_violation' });
    expect((await create(key, { body: { prompt: 'something forbidden' } })).isReplay).toBe(false);
    expect(emulator.ledger.generates).toBe(before);
  });

  it('is unknown, and not sent again, when the response was lost', async () => {
    const key = freshKey();
    emulator.faults.inject('Generate', {
      kind: 'status',
      code: 14,
      message: 'gone',
      afterwards: true,
    });
    const before = emulator.ledger.generates;
    const lost = await create(key);
    expect(lost.json).toMatchObject({ outcome: 'unknown', retryable: false });
    const again = await create(key);
    expect(again.status).toBe(409);
    expect(again.json).toMatchObject({ code: 'outcome_unknown', outcome: 'unknown' });
    expect(emulator.ledger.generates).toBe(before + 1);
  });
});

describe('an Idempotency-Key', () => {
  it.each([
    ['abc', 'abc'],
    ['"abc"', 'abc'],
    ['  abc  ', 'abc'],
    [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    ['a"b', 'a"b'],
    ['~'.repeat(255), '~'.repeat(255)],
    [`"${'~'.repeat(255)}"`, '~'.repeat(255)],
  ])('%s is a key', (header, key) => {
    expect(idempotencyKeyFromHeaders(['Idempotency-Key', header])).toBe(key);
  });

  it.each([
    ['empty', ['Idempotency-Key', '']],
    ['empty in quotes', ['Idempotency-Key', '""']],
    ['with a space', ['Idempotency-Key', 'a b']],
    ['with a control byte', ['Idempotency-Key', 'a\u0001b']],
    ['with a letter of another script', ['Idempotency-Key', 'ключ']],
    ['of 256 characters', ['Idempotency-Key', 'x'.repeat(256)]],
    ['with an open quote', ['Idempotency-Key', '"abc']],
    ['with a stray escape', ['Idempotency-Key', String.raw`"a\bc"`]],
    ['in two lines', ['Idempotency-Key', 'a', 'idempotency-key', 'a']],
  ])('%s is refused', (_name, rawHeaders) => {
    expect(() => idempotencyKeyFromHeaders(rawHeaders)).toThrow(/idempotency_key_invalid/);
  });

  it('is absent without the header', () => {
    expect(idempotencyKeyFromHeaders(['Accept', '*/*'])).toBeUndefined();
  });

  it('is refused before anything is spent', async () => {
    const before = emulator.ledger.generates;
    const response = await create('a b');
    expect(response.status).toBe(400);
    expect(response.json).toMatchObject({
      code: 'idempotency_key_invalid',
      outcome: 'not_started',
      errors: [{ header: 'Idempotency-Key' }],
    });
    expect(emulator.ledger.generates).toBe(before);
  });
});
