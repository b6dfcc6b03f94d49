import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { problemSchema } from '../../src/schemas/problem-document.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { jsonOf } from '../support/responses.ts';

let emulator: Emulator;
let gateway: Gateway;
/** What the next response gets in its headers, over the gateway's own value. */
let injected: Readonly<Record<string, string>> = {};
/** Whether the error response gets it as well. */
let isStubborn = false;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 20, latencySpreadRatio: 0 });
  gateway = await startGateway(
    { UPSTREAM_ADDRESS: emulator.address, UPSTREAM_POLL_INTERVAL_MS: '20' },
    {
      extend: (app) => {
        app.addHook('onSend', (_request, reply, payload, done) => {
          reply.headers(injected);
          if (!isStubborn) injected = {};
          done(null, payload);
        });
      },
    },
  );
});
beforeEach(() => {
  injected = {};
  isStubborn = false;
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

const prompt = { prompt: 'a red cat' };
const vendorRequest = {
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text: 'a red cat' }],
};
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

type Create = (headers?: Record<string, string>) => Promise<Response>;

/** Every form of a create's response. */
const creates: Readonly<Record<string, Create>> = {
  'an operation': (headers) => post('/v1/images', prompt, headers),
  'a finished operation': (headers) =>
    post('/v1/images', prompt, { ...headers, prefer: 'wait=20' }),
  'an image': (headers) => post('/v1/images', prompt, { ...headers, accept: 'image/*' }),
  events: (headers) => post('/v1/images', prompt, { ...headers, accept: 'text/event-stream' }),
  'images in OpenAI’s form': (headers) => post('/v1/images/generations', prompt, headers),
  'a stream in OpenAI’s form': (headers) =>
    post('/v1/images/generations', { ...prompt, stream: true }, headers),
  'an operation in the vendor’s form': (headers) =>
    post('/foundationModels/v1/imageGenerationAsync', vendorRequest, headers),
};

it.each(Object.keys(creates))(
  'a create of %s whose headers can not be sent is a whole error that names the paid operation',
  async (form) => {
    const before = emulator.ledger.generates;
    injected = { location: 'https://картинки.example/operations' };
    const response = await creates[form]!();
    const body = await jsonOf(response);
    expect(response.status).toBe(500);
    expect(JSON.stringify(body)).toContain('"accepted"');
    expect(response.headers.get('content-type')).toMatch(/^application\/(?:problem\+)?json/);
    expect(response.headers.get('x-request-id')).toMatch(/./);
    expect(response.headers.get('location')).toBeNull();
    expect(emulator.ledger.generates).toBe(before + 1);
    const id = response.headers.get('x-operation-id') ?? '';
    const image = await gateway.fetch(`/operations/${id}/image?wait=20`);
    expect(image.status).toBe(200);
    expect((await image.arrayBuffer()).byteLength).toBeGreaterThan(100);
  },
);

/** Header values that Node refuses to write. */
const unsendable = fc
  .tuple(
    fc.string({ unit: 'binary-ascii' }),
    fc.constantFrom('\r', '\n', '\0', '\u007f', 'ā', '猫', '😀', '\ud800'),
    fc.string({ unit: 'binary' }),
  )
  .map((parts) => parts.join(''));

const names = fc.constantFrom(
  ...['location', 'etag', 'retry-after', 'content-disposition', 'x-model-version'],
  ...['x-ignored-params', 'preference-applied', 'cache-control', 'content-type', 'x-made-up'],
);

const keyOf = (form: string) => `6c1e0a52-3f9b-${Object.keys(creates).indexOf(form)}`;

it('no header value, whatever it holds, breaks a response: it is a whole error, once and again', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...([names, unsendable, fc.boolean(), fc.constantFrom(...Object.keys(creates))] as const),
      async (name, value, stubborn, form) => {
        injected = { [name]: value };
        isStubborn = stubborn;
        // A replay: its response is the same, and the image is drawn once.
        const response = await creates[form]!({ 'idempotency-key': keyOf(form) });
        injected = {};
        const text = await response.text();
        expect(response.status).toBe(500);
        expect(response.headers.get('x-operation-id')).toMatch(/^op_/);
        const body = JSON.parse(text) as Record<string, unknown>;
        if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
          expect(problemSchema.parse(body)).toMatchObject({
            code: 'internal_error',
            outcome: 'accepted',
            requestId: response.headers.get('x-request-id'),
          });
        }
      },
    ),
    { numRuns: 200 },
  );
});

it('a read whose headers can not be sent is a problem without headers of the image', async () => {
  const created = await jsonOf(post('/v1/images', prompt, { prefer: 'wait=20' }));
  for (const path of ['', '/image', '/events', '?include=image']) {
    injected = { 'x-model-version': 'версия' };
    const response = await gateway.fetch(`/operations/${String(created['id'])}${path}`);
    expect(await jsonOf(response)).toMatchObject({ httpStatus: 500, code: 'internal_error' });
    expect(response.headers.get('x-operation-id')).toBe(created['id']);
    expect(response.headers.get('cache-control')).toBe('no-store');
    for (const name of ['etag', 'content-disposition', 'last-modified', 'accept-ranges']) {
      expect(response.headers.get(name)).toBeNull();
    }
    injected = { 'x-model-version': 'a\u0000b' };
    const head = await gateway.fetch(`/operations/${String(created['id'])}${path}`, {
      method: 'HEAD',
    });
    expect([head.status, await head.text()]).toEqual([500, '']);
    expect(head.headers.get('x-operation-id')).toBe(created['id']);
  }
});
