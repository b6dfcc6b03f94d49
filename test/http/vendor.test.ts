import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import { idOf, jsonOf, statusOf } from '../support/responses.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

const path = '/foundationModels/v1/imageGenerationAsync';
/** The request in the vendor's documentation. */
const request = {
  modelUri: 'art://folder/yandex-art/latest',
  generationOptions: { seed: '1863', aspectRatio: { widthRatio: '2', heightRatio: '1' } },
  messages: [{ weight: '1', text: 'a red cat' }],
};

let emulator: Emulator;
let bare: Emulator;
let gateway: Gateway;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 60, latencySpreadRatio: 0 });
  bare = await startEmulator({ latencyMs: 60, latencySpreadRatio: 0, operationTimes: false });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
  });
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
  await bare.close();
});

const post = (body: unknown, headers: Record<string, string> = {}, of = gateway) =>
  of.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function finished(id: string, of = gateway): Promise<Record<string, unknown>> {
  for (;;) {
    const operation = await jsonOf(of.fetch(`/operations/${id}`));
    if (operation['done'] === true) return operation;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe('POST /foundationModels/v1/imageGenerationAsync', () => {
  it('responds as the vendor does: 200, null for unknown values, no key for absent ones', async () => {
    const of = await startGateway({ UPSTREAM_ADDRESS: bare.address });
    const response = await post(request, {}, of);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const text = await response.text();
    const { id } = JSON.parse(text) as { id: string };
    expect(text).toBe(
      `{"id":"${id}","description":"","createdAt":null,"createdBy":"","modifiedAt":null,"done":false,"metadata":null}`,
    );
    await of.close();
  });

  it('creates an operation whose image is base64 with its type', async () => {
    const id = await idOf(post(request));
    const { httpStatus, ...operation } = await finished(id);
    expect(httpStatus).toBe(200);
    const { image, ...response } = operation['response'] as Record<string, string>;
    expect(Object.keys(operation)).toEqual([
      ...[
        'id',
        'description',
        'createdAt',
        'createdBy',
        'modifiedAt',
        'done',
        'metadata',
        'response',
      ],
    ]);
    expect(response).toEqual({
      '@type':
        'type.googleapis.com/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationResponse',
      modelVersion: expect.any(String),
    });
    const facts = imageFactsFromBytes(Buffer.from(image ?? '', 'base64'));
    expect(facts?.mediaType).toBe('image/jpeg');
    expect((facts?.width ?? 0) / (facts?.height ?? 1)).toBeCloseTo(2, 0);
    // The bytes and the native routes are there for it as well.
    expect(await statusOf(gateway.fetch(`/operations/${id}/image`))).toBe(200);
  });

  it('reads empty fields as absent, as proto3 JSON does', async () => {
    const generationOptions = {
      mimeType: '',
      seed: '7',
      aspectRatio: { widthRatio: '0', heightRatio: '0' },
    };
    expect((await post({ ...request, generationOptions })).status).toBe(200);
    expect((await post({ ...request, generationOptions: { mimeType: 'image/jpg' } })).status).toBe(
      200,
    );
    expect((await post({ ...request, modelUri: '' })).status).toBe(400);
    expect((await post({ ...request, messages: [] })).status).toBe(400);
  });

  it('accepts what curl sends by -d, and the vendor’s way to get the image', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vendor-curl-'));
    await writeFile(join(folder, 'prompt.json'), JSON.stringify(request));
    const lines = [
      `ID=$(curl -sf -d @prompt.json ${gateway.origin}${path} | node -pe 'JSON.parse(require("fs").readFileSync(0)).id')`,
      'sleep 1',
      `curl -sf ${gateway.origin}/operations/$ID | node -pe 'JSON.parse(require("fs").readFileSync(0)).response.image' | base64 -d > cat.jpg`,
    ];
    await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', lines.join('\n')], {
      cwd: folder,
    });
    const facts = imageFactsFromBytes(await readFile(join(folder, 'cat.jpg')));
    expect(facts?.mediaType).toBe('image/jpeg');
    await rm(folder, { recursive: true });
  });

  it.each([
    ['an unknown field', { ...request, prompt: 'x' }, 400, 3],
    ['no model', { messages: request.messages }, 400, 3],
    ['no JSON', '{', 400, 3],
    ['a prompt that is too long', { ...request, messages: [{ text: 'x'.repeat(501) }] }, 400, 3],
    ['a blank prompt', { ...request, messages: [{ text: ' \u200b' }] }, 400, 3],
    ['an unknown model', { ...request, modelUri: 'art://folder/none/latest' }, 403, 7],
    ['an image that is not made', { ...request, messages: [{ text: 'forbidden' }] }, 400, 3],
  ])('refuses %s as the vendor does, and spends nothing', async (_, body, status, code) => {
    const before = emulator.ledger.generates;
    const response = await post(body);
    const error = await jsonOf(response);
    expect(error).toMatchObject({ httpStatus: status, code, message: expect.any(String) });
    const { details } = error as { details: { '@type': string; metadata?: object }[] };
    expect(details.at(-1)).toMatchObject({
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      metadata: { outcome: 'not_started' },
    });
    expect(Object.keys(error).toSorted()).toEqual(['code', 'details', 'httpStatus', 'message']);
    expect(emulator.ledger.generates).toBe(before);
  });

  it.each([
    [4, 504],
    [8, 429],
    [10, 409],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
    [16, 401],
  ])('responds to gRPC code %i with HTTP %i', async (code, status) => {
    // Several in a row would open the circuit.
    await idOf(post(request));
    emulator.faults.inject('Generate', { kind: 'status', code, message: 'no' });
    expect(await jsonOf(post(request))).toMatchObject({ httpStatus: status, code });
  });

  it('shows a failed operation with its error inside', async () => {
    const id = await idOf(post(request));
    emulator.faults.inject('Get', { kind: 'error', code: 13, message: 'broken', done: true });
    const { error, ...operation } = await finished(id);
    expect(error).toEqual({ code: 13, message: 'broken', details: [] });
    expect(operation).not.toHaveProperty('response');
  });

  it('is paid once under a key', async () => {
    const before = emulator.ledger.generates;
    const key = { 'idempotency-key': 'vendor-1' };
    const first = await idOf(post(request, key));
    await finished(first);
    const again = await jsonOf(post(request, key));
    expect(again).toMatchObject({ id: first, done: true, response: { image: expect.any(String) } });
    expect(emulator.ledger.generates).toBe(before + 1);
  });
});

describe('GET /foundationModels/v1/operations/{id}', () => {
  const read = (id: string, query = '', init: RequestInit = {}) =>
    gateway.fetch(`/foundationModels/v1/operations/${id}${query}`, init);
  const openAi = () =>
    gateway.fetch('/v1/images/generations', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'a red cat' }),
    });
  const creates: Readonly<Record<string, () => Promise<string>>> = {
    'the vendor’s form': () => idOf(post(request)),
    'the native form': () => idOf(gateway.create({ prompt: 'a red cat' })),
    'OpenAI’s form': () => idOf(openAi()),
  };

  it.each(Object.keys(creates))(
    'returns an operation that was created in %s in the vendor’s form',
    async (form) => {
      const id = await creates[form]!();
      const response = await read(id, '?wait=20');
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(response.headers.get('etag')).toBeNull();
      const { httpStatus, ...operation } = await jsonOf(response);
      expect(httpStatus).toBe(200);
      expect(Object.keys(operation)).toEqual([
        ...['id', 'description', 'createdAt', 'createdBy', 'modifiedAt', 'done', 'metadata'],
        'response',
      ]);
      const { image } = operation['response'] as { image: string };
      const bytes = Buffer.from(image, 'base64');
      expect(imageFactsFromBytes(bytes)?.mediaType).toBe('image/jpeg');
      const native = await gateway.fetch(`/operations/${id}/image`);
      expect(Buffer.from(await native.arrayBuffer()).equals(bytes)).toBe(true);
    },
  );

  it('returns a running one with Retry-After, and waits by Prefer too', async () => {
    const slowEmulator = await startEmulator({ latencyMs: 600_000 });
    const slow = await startGateway({ UPSTREAM_ADDRESS: slowEmulator.address });
    const running = await idOf(slow.create({ prompt: 'a slow cat' }));
    const response = await slow.fetch(`/foundationModels/v1/operations/${running}`);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(await jsonOf(response)).toMatchObject({ id: running, done: false, metadata: null });
    await slow.close();
    await slowEmulator.close();
    const id = await idOf(gateway.create({ prompt: 'a cat' }));
    const waited = await read(id, '', { headers: { prefer: 'wait=20' } });
    expect(waited.headers.get('preference-applied')).toBe('wait=20');
    expect(await jsonOf(waited)).toMatchObject({ id, done: true });
  });

  it('returns a failed and a canceled operation with the error inside', async () => {
    emulator.faults.inject('Get', { kind: 'error', code: 13, message: 'broken', done: true });
    const failed = await idOf(gateway.create({ prompt: 'a cat' }, { prefer: 'wait=20' }));
    expect(await jsonOf(read(failed))).toMatchObject({
      httpStatus: 200,
      done: true,
      error: { code: 13, message: 'broken' },
    });
    const slow = await startEmulator({ latencyMs: 60_000, latencySpreadRatio: 0 });
    const of = await startGateway({ UPSTREAM_ADDRESS: slow.address });
    const canceled = await idOf(of.create({ prompt: 'a cat' }));
    await statusOf(of.fetch(`/operations/${canceled}/cancel`, { method: 'POST' }));
    const found = await jsonOf(of.fetch(`/foundationModels/v1/operations/${canceled}`));
    expect(found).toMatchObject({ httpStatus: 200, error: { code: 1 } });
    await of.close();
    await slow.close();
  });

  it('answers HEAD with the headers alone, and reads no image for it', async () => {
    const id = await idOf(gateway.create({ prompt: 'a cat' }, { prefer: 'wait=20' }));
    const before = emulator.ledger.gets;
    const head = await read(id, '', { method: 'HEAD' });
    expect([head.status, await head.text(), emulator.ledger.gets]).toEqual([200, '', before]);
    expect(head.headers.get('x-operation-id')).toBe(id);
  });

  it.each(['op_x', 'x', '%zz', 'a%2Fb', 'fbveu1sntj0a1b2c3d4e', 'op_'.padEnd(4_000, 'A')])(
    'answers an id that is not ours as the vendor does: %.20s',
    async (id) => {
      expect(await jsonOf(read(id))).toMatchObject({ httpStatus: 404, code: 5 });
    },
  );

  it.each(['wait=-1', 'wait=soon', 'wait=1&wait=2'])('refuses ?%s', async (query) => {
    expect(await jsonOf(read('op_x', `?${query}`))).toMatchObject({ httpStatus: 400, code: 3 });
  });

  it('takes a method that it does not have as the vendor form of 405', async () => {
    const response = await read('op_x', '', { method: 'DELETE' });
    expect(response.headers.get('allow')).toBe('GET, HEAD');
    expect(await jsonOf(response)).toMatchObject({ httpStatus: 405 });
  });
});

describe('/operations/{id}:cancel', () => {
  it.each(['GET', 'POST'])('cancels by %s', async (method) => {
    const slow = await startEmulator({ latencyMs: 60_000, latencySpreadRatio: 0 });
    const of = await startGateway({ UPSTREAM_ADDRESS: slow.address });
    const id = await idOf(post(request, {}, of));
    const canceled = await jsonOf(of.fetch(`/operations/${id}:cancel`, { method }));
    await of.close();
    await slow.close();
    expect(canceled).toMatchObject({ httpStatus: 200, id, done: true, error: { code: 1 } });
  });

  it('responds to an unknown id as the vendor does', async () => {
    expect(await jsonOf(gateway.fetch('/operations/op_x:cancel'))).toMatchObject({
      httpStatus: 404,
      code: 5,
    });
  });
});
