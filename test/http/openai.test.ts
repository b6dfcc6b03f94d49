import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateImage } from 'ai';
import OpenAI, { APIError } from 'openai';
import type { ImageGenCompletedEvent } from 'openai/resources/images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import { until } from '../faults/until.ts';
import { jsonOf, statusOf } from '../support/responses.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startKeyedGateway, type KeyedGateway } from '../support/keyed-gateway.ts';

let keyed: KeyedGateway;
let emulator: Emulator;
let gateway: Gateway;
let client: OpenAI;

beforeAll(async () => {
  keyed = await startKeyedGateway({
    callers: { shop: {}, poor: { imagesPerMinuteMax: 1 }, picky: { models: ['other'] } },
    emulator: { latencyMs: 80 },
    environment: {
      IMAGE_MEDIA_TYPES: 'image/jpeg,image/png',
      MODEL_ALIASES: '{"dall-e-3":"yandex-art"}',
    },
  });
  ({ emulator, gateway } = keyed);
  client = clientOf('shop');
});
afterAll(() => keyed.close());

function clientOf(caller: string, options: Partial<ConstructorParameters<typeof OpenAI>[0]> = {}) {
  const apiKey = keyed.file.keys[caller] ?? 'igk_none';
  return new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey, maxRetries: 0, ...options });
}

const request = { model: 'yandex-art', prompt: 'a red cat', size: '1024x1024' } as const;

async function failureOf(promise: Promise<unknown>): Promise<APIError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof APIError) return error;
  throw new Error(`expected an APIError, got ${String(error)}`);
}

const bytesOf = (base64: string | undefined) => Buffer.from(base64 ?? '', 'base64');

describe('an unmodified openai client', () => {
  it('gets an image, with its true size and format', async () => {
    const response = await client.images.generate(request);
    const [image] = response.data ?? [];
    const facts = imageFactsFromBytes(bytesOf(image?.b64_json));
    expect(facts?.mediaType).toBe('image/jpeg');
    expect(response).toMatchObject({
      size: `${facts?.width}x${facts?.height}`,
      output_format: 'jpeg',
      created: expect.any(Number),
    });
    expect(image).toMatchObject({ seed: expect.stringMatching(/^\d+$/) });
  });

  it('gets several images with consecutive seeds', async () => {
    const { data } = await client.images.generate({ ...request, n: 3, seed: '41' } as never);
    const seeds = (data as unknown as { seed: string }[]).map(({ seed }) => seed);
    expect(seeds).toEqual(['41', '42', '43']);
    expect(new Set((data ?? []).map(({ b64_json: text }) => text)).size).toBe(3);
  });

  it('gets a link that opens without a key', async () => {
    const { data } = await client.images.generate({ ...request, response_format: 'url' });
    const response = await fetch(data?.[0]?.url ?? '');
    expect(response.headers.get('content-type')).toBe('image/jpeg');
    expect(await statusOf(response)).toBe(200);
  });

  it('gets the format it asks for, where the upstream makes it', async () => {
    const png = await client.images.generate({ ...request, output_format: 'png' });
    expect(png.output_format).toBe('png');
    const jpg = { ...request, output_format: 'jpg' } as unknown as typeof request;
    expect((await client.images.generate(jpg)).output_format).toBe('jpeg');
    expect(imageFactsFromBytes(bytesOf(png.data?.[0]?.b64_json))?.mediaType).toBe('image/png');
    const webp = await client.images
      .generate({ ...request, output_format: 'webp', quality: 'high' })
      .withResponse();
    expect(webp.data.output_format).toBe('jpeg');
    expect(webp.response.headers.get('x-ignored-params')).toBe('quality, output_format');
  });

  it('streams one image in an event that is whole by the types of the client', async () => {
    const stream = await client.images.generate({ ...request, stream: true });
    const events: ImageGenCompletedEvent[] = [];
    for await (const event of stream) events.push(event as ImageGenCompletedEvent);
    const [event] = events;
    const facts = imageFactsFromBytes(bytesOf(event?.b64_json));
    expect(facts?.mediaType).toBe('image/jpeg');
    expect(events).toEqual([
      {
        type: 'image_generation.completed',
        b64_json: event?.b64_json,
        created_at: expect.any(Number),
        size: `${facts?.width}x${facts?.height}`,
        quality: 'auto',
        background: 'opaque',
        output_format: 'jpeg',
        usage: {
          input_tokens: 0,
          input_tokens_details: { image_tokens: 0, text_tokens: 0 },
          output_tokens: 0,
          total_tokens: 0,
        },
        seed: expect.stringMatching(/^\d+$/),
        operation_id: expect.stringMatching(/^op_/),
      },
    ]);
  });

  it('gets a link where it names dall-e-3 and says nothing else, as at OpenAI', async () => {
    const dallE = { ...request, model: 'dall-e-3' };
    const linked = await client.images.generate(dallE);
    expect(Object.keys(linked.data?.[0] ?? {})).toContain('url');
    expect(await statusOf(fetch(linked.data?.[0]?.url ?? ''))).toBe(200);
    const asked = await client.images.generate({ ...dallE, response_format: 'b64_json' });
    expect(bytesOf(asked.data?.[0]?.b64_json).length).toBeGreaterThan(1_000);
    const stream = await client.images.generate({ ...dallE, stream: true });
    for await (const event of stream) expect(bytesOf(event.b64_json).length).toBeGreaterThan(1_000);
    const other = await client.images.generate(request);
    expect(other.data?.[0]?.b64_json).toBeDefined();
  });

  it('lists only the fields without effect in X-Ignored-Params', async () => {
    const anyway = { background: 'opaque', frame_count: 1 } as const;
    const fulfilled = await client.images.generate({ ...request, ...anyway }).withResponse();
    expect(fulfilled.response.headers.get('x-ignored-params')).toBeNull();
    const fields = { complexity: 3, quality: 'hd', style: 'vivid', safety_identifier: 'u1' };
    const ignored = await client.images
      .generate({ ...request, ...fields } as typeof request)
      .withResponse();
    const named = ignored.response.headers.get('x-ignored-params')?.split(', ').toSorted();
    expect(named).toEqual(Object.keys(fields).toSorted());
  });

  it('gets a failure as an event of the stream, and a refusal before the stream', async () => {
    emulator.faults.inject('Get', { kind: 'error', code: 13, message: 'broken', done: true });
    const stream = await client.images.generate({ ...request, stream: true });
    const failed = await failureOf(
      (async () => {
        for await (const _ of stream) throw new Error('an event of no image');
      })(),
    );
    expect(failed.message).toContain('broken');
    const refused = await failureOf(
      client.images.generate({ ...request, prompt: 'something forbidden', stream: true }),
    );
    expect(refused.status).toBe(400);
  });

  it('lists models, and finds one', async () => {
    const names: string[] = [];
    for await (const model of client.models.list()) names.push(model.id);
    expect(names).toEqual(['yandex-art', 'dall-e-3']);
    expect((await client.models.retrieve('dall-e-3')).object).toBe('model');
    const unknown = await failureOf(client.models.retrieve('none'));
    expect([unknown.status, unknown.code]).toEqual([404, 'model_not_found']);
    const picky: string[] = [];
    for await (const model of clientOf('picky').models.list()) picky.push(model.id);
    expect(picky).toEqual(['other']);
  });
});

describe('a refusal', () => {
  it.each([
    ['an empty prompt', { ...request, prompt: '' }, 400, 'invalid_request_error', 'prompt'],
    ['too many images', { ...request, n: 11 }, 400, 'invalid_request_error', 'n'],
    ['an odd size', { ...request, size: 'large' }, 400, 'invalid_request_error', 'size'],
    ['an unknown field', { ...request, colour: 1 }, 400, 'invalid_request_error', 'colour'],
    [
      'transparency',
      { ...request, background: 'transparent' },
      400,
      'invalid_request_error',
      'background',
    ],
    ['gif', { ...request, output_format: 'gif' }, 400, 'invalid_request_error', 'output_format'],
    ['svg', { ...request, output_format: 'svg' }, 400, 'invalid_request_error', 'output_format'],
    ['several frames', { ...request, frame_count: 2 }, 400, 'invalid_request_error', 'frame_count'],
    [
      'a blue background',
      { ...request, background: 'blue' },
      400,
      'invalid_request_error',
      'background',
    ],
    ['several in a stream', { ...request, n: 2, stream: true }, 400, 'invalid_request_error', 'n'],
    [
      'a forbidden prompt',
      { ...request, prompt: 'something forbidden' },
      400,
      'image_generation_user_error',
      null,
    ],
  ])(
    'of %s names its type and place, costs nothing, and is not repeated',
    async (_, body, status, type, param) => {
      const before = emulator.ledger.generates;
      const patient = clientOf('shop', { maxRetries: 2 });
      const error = await failureOf(patient.images.generate(body as never));
      expect([error.status, error.type]).toEqual([status, type]);
      if (param !== null) expect(error.param).toBe(param);
      expect(error.headers?.get('x-should-retry')).toBe('false');
      expect(error.requestID).toMatch(/./);
      expect(emulator.ledger.generates).toBe(before);
    },
  );

  it('of a key, of a model, and of a limit have the classes that clients catch', async () => {
    const stranger = await failureOf(clientOf('unknown').images.generate(request));
    expect(stranger).toBeInstanceOf(OpenAI.AuthenticationError);
    expect([stranger.type, stranger.code]).toEqual(['invalid_request_error', 'invalid_api_key']);
    expect(await failureOf(clientOf('picky').images.generate(request))).toBeInstanceOf(
      OpenAI.PermissionDeniedError,
    );
    const poor = clientOf('poor');
    const { response } = await poor.images.generate(request).withResponse();
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('1');
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('0');
    const limited = await failureOf(poor.images.generate({ ...request, prompt: 'another' }));
    expect(limited).toBeInstanceOf(OpenAI.RateLimitError);
    expect(limited.type).toBe('rate_limit_error');
    expect(Number(limited.headers?.get('retry-after'))).toBeLessThanOrEqual(60);
  });

  it('of an unknown path has the same form', async () => {
    const error = await failureOf(client.chat.completions.create({ model: 'x', messages: [] }));
    expect([error.status, error.code]).toEqual([404, 'not_found']);
    const native = await jsonOf(
      gateway.fetch('/v1/operations/op_x', {
        headers: { 'x-api-key': keyed.file.keys['shop'] ?? '' },
      }),
    );
    expect(native).toMatchObject({ code: 'operation_not_found', httpStatus: 404 });
  });

  it('of some images leaves the others in the response', async () => {
    emulator.faults.inject('Generate', {
      kind: 'status',
      code: 13,
      message: 'lost',
      afterwards: true,
    });
    const response = await client.images.generate({ ...request, n: 2 });
    expect(response.data).toHaveLength(1);
    expect((response as unknown as { errors: object[] }).errors).toEqual([
      { index: 0, code: 'upstream_error', message: expect.any(String) },
    ]);
  });

  it('with an unknown outcome is not repeated by the client', async () => {
    const before = emulator.ledger.generates;
    emulator.faults.inject('Generate', {
      kind: 'status',
      code: 13,
      message: 'lost',
      afterwards: true,
    });
    const patient = clientOf('shop', { maxRetries: 2 });
    const error = await failureOf(patient.images.generate({ ...request, prompt: 'lost' }));
    expect(error.status).toBe(502);
    expect((error.error as { outcome: string }).outcome).toBe('unknown');
    expect(emulator.ledger.generates).toBe(before + 1);
  });
});

describe('the client’s own retry', () => {
  it('after our 504 joins the same operation: paid once', async () => {
    const slow = await startEmulator({ latencyMs: 3_500, latencySpreadRatio: 0 });
    const behind = await startGateway({ UPSTREAM_ADDRESS: slow.address });
    const impatient = new OpenAI({
      ...{ baseURL: `${behind.origin}/v1`, apiKey: 'any', maxRetries: 4, timeout: 3_000 },
    });
    const { data } = await impatient.images.generate(request);
    expect(bytesOf(data?.[0]?.b64_json).length).toBeGreaterThan(1_000);
    expect(slow.ledger.generates).toBe(1);
    // The same request once more is an image of its own.
    await impatient.images.generate(request);
    expect(slow.ledger.generates).toBe(2);
    await behind.close();
    await slow.close();
  }, 30_000);

  it.each([
    ['older', 0],
    ['later', 1],
  ])(
    'joins the %s of two equal requests when that one hung up',
    async (_, hungUp) => {
      const slow = await startEmulator({ latencyMs: 4_000, latencySpreadRatio: 0 });
      const behind = await startGateway({ UPSTREAM_ADDRESS: slow.address });
      const send = (count: number, signal?: AbortSignal) =>
        behind.fetch('/v1/images/generations', {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-stainless-retry-count': `${count}` },
          body: JSON.stringify(request),
          ...(signal !== undefined && { signal }),
        });
      const controllers = [new AbortController(), new AbortController()];
      const sent: Promise<Record<string, unknown>>[] = [];
      for (const [index, { signal }] of controllers.entries()) {
        sent.push(jsonOf(send(0, signal)).catch(() => ({})));
        const isStarted = () => slow.ledger.generates === index + 1;
        await until('the create is sent upstream', isStarted, { withinMs: 10_000 });
      }
      controllers[hungUp]?.abort();
      const isLogged = () =>
        behind.logLines.some((line) => line.includes('/v1/images/generations'));
      await until('the hang-up is seen', isLogged, { withinMs: 10_000 });
      const retry = await jsonOf(send(1));
      const waiting = await sent[1 - hungUp];
      expect([retry['httpStatus'], waiting?.['httpStatus']]).toEqual([200, 200]);
      // Each of both images is delivered once.
      expect(retry['id']).not.toBe(waiting?.['id']);
      expect(slow.ledger.generates).toBe(2);
      await behind.close();
      await slow.close();
    },
    30_000,
  );

  it('of a create with an unknown outcome gets 409 outcome_unknown and is not paid again', async () => {
    const before = emulator.ledger.generates;
    const retry = (count: string) =>
      client.images.generate(
        { ...request, prompt: 'a retried cat' },
        { headers: { 'x-stainless-retry-count': count } },
      );
    emulator.faults.inject('Generate', {
      kind: 'status',
      code: 13,
      message: 'lost',
      afterwards: true,
    });
    await failureOf(retry('0'));
    const error = await failureOf(retry('1'));
    expect([error.status, error.code]).toEqual([409, 'outcome_unknown']);
    expect(emulator.ledger.generates).toBe(before + 1);
  });
});

describe('an unmodified AI SDK', () => {
  it('gets images with size, count and options of the provider', async () => {
    const provider = createOpenAICompatible({
      name: 'gateway',
      baseURL: `${gateway.origin}/v1`,
      apiKey: keyed.file.keys['shop'] ?? '',
    });
    const { images } = await generateImage({
      model: provider.imageModel('yandex-art'),
      prompt: 'a red cat',
      size: '1024x512',
      n: 2,
      providerOptions: { gateway: { negative_prompt: 'text' } },
    });
    expect(images).toHaveLength(2);
    for (const { uint8Array } of images) {
      const facts = imageFactsFromBytes(uint8Array);
      expect((facts?.width ?? 0) / (facts?.height ?? 1)).toBeCloseTo(2, 0);
    }
  });
});

it('handling=strict refuses what would be ignored before anything is spent', async () => {
  const before = emulator.ledger.generates;
  const response = await gateway.fetch('/v1/images/generations', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${keyed.file.keys['shop'] ?? ''}`,
      prefer: 'handling=strict',
    },
    body: JSON.stringify({ ...request, style: 'vivid' }),
  });
  expect(await jsonOf(response)).toMatchObject({ httpStatus: 400, error: { param: 'style' } });
  expect(emulator.ledger.generates).toBe(before);
});

it('with AUTH=passthrough images are bytes unless a link is asked for: a link needs the credential too', async () => {
  const behind = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    AUTH: 'passthrough',
    MODEL_ALIASES: '{"dall-e-3":"yandex-art"}',
  });
  const imageOf = async (body: object) => {
    const response = await behind.fetch('/v1/images/generations', {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Api-Key key-of-anna' },
      body: JSON.stringify({ ...request, model: 'dall-e-3', ...body }),
    });
    const { data } = (await response.json()) as { data: object[] };
    return Object.keys(data[0] ?? {});
  };
  expect(await imageOf({})).toContain('b64_json');
  expect(await imageOf({ response_format: 'url' })).toContain('url');
  await behind.close();
});
