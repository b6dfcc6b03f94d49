import { afterEach, describe, expect, it } from 'vitest';
import { startEmulator } from '../../src/emulator/emulator.ts';
import {
  startGatewayWithService,
  type GatewayWithService,
} from '../support/gateway-with-service.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { stubRenderer } from '../support/stub-renderer.ts';

type Json = Record<string, unknown>;

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

async function start(
  ...options: Parameters<typeof startGatewayWithService>
): Promise<GatewayWithService> {
  const parts = await startGatewayWithService(...options);
  opened.push(parts);
  return parts;
}

/** A model that takes neither seeds nor negative prompts. */
const plainModel = () =>
  start({ renderer: stubRenderer() }, { DEFAULT_MODEL: 'stub-1', IMAGE_MEDIA_TYPES: 'image/png' });

const wait = { prefer: 'wait=30' };

async function finished(gateway: Gateway, body: Json): Promise<Json> {
  const response = await gateway.create(body, wait);
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
}

async function openAi(gateway: Gateway, body: Json) {
  return gateway.fetch('/v1/images/generations', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

describe('a model without seeds and negative prompts', () => {
  it('is told in the response of the operation, never as metadata', async () => {
    const { gateway } = await plainModel();
    const body = { prompt: 'a red cat', negativePrompt: 'text', seed: '1863' };
    const operation = await finished(gateway, body);
    expect(operation).toMatchObject({
      metadata: null,
      response: { seed: '1863', seedApplied: false, ignored: ['negativePrompt'] },
    });
    const read = await gateway.fetch(`/operations/${String(operation['id'])}`);
    expect(await read.json()).toMatchObject({ metadata: null, response: operation['response'] });
  });

  it('is told while the operation runs by X-Ignored-Params, with the fields as they were written', async () => {
    const { gateway } = await plainModel();
    const ignoredOf = async (body: Json) =>
      (await gateway.create({ prompt: 'a red cat', ...body })).headers.get('x-ignored-params');
    expect(await ignoredOf({ negativePrompt: 'text', seed: 7 })).toBe('#/seed, #/negativePrompt');
    expect(await ignoredOf({ negative_prompt: 'text' })).toBe('#/negative_prompt');
    // Drawn by the gateway, so no one misses it.
    expect(await ignoredOf({})).toBeNull();
    const messages = [
      { text: 'a cat', weight: 1 },
      { text: 'text', weight: -1 },
    ];
    const generation_options = { seed: '7' };
    const long = await gateway.create({ messages, generation_options });
    expect(long.headers.get('x-ignored-params')).toBe('#/generation_options/seed, #/messages/1');
  });

  it('has an image without X-Image-Seed, as the seed changed nothing', async () => {
    const { gateway } = await plainModel();
    const { id } = await finished(gateway, { prompt: 'a red cat', seed: 7 });
    const image = await gateway.fetch(`/operations/${String(id)}/image`);
    expect(image.headers.get('x-image-seed')).toBeNull();
    expect(image.headers.get('x-image-width')).toBe('1');
  });

  it('is told on OpenAI’s surface by X-Ignored-Params, and its images have no seed', async () => {
    const { gateway } = await plainModel();
    const body = { prompt: 'a red cat', seed: 7, negative_prompt: 'text', quality: 'high' };
    const response = await openAi(gateway, body);
    expect(response.headers.get('x-ignored-params')).toBe('quality, seed, negative_prompt');
    const { data } = (await response.json()) as { data: Json[] };
    expect(Object.keys(data[0]!).toSorted()).toEqual(['b64_json', 'operation_id']);
    const stream = await openAi(gateway, { ...body, stream: true });
    expect(stream.headers.get('x-ignored-params')).toBe('quality, seed, negative_prompt');
    expect(await stream.text()).not.toContain('"seed"');
  });

  it('is nothing that the vendor’s form has a place for: its metadata is null', async () => {
    const { gateway } = await plainModel();
    const created = await gateway.fetch('/foundationModels/v1/imageGenerationAsync', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        modelUri: 'art://local/stub-1',
        messages: [{ text: 'a red cat', weight: 1 }],
      }),
    });
    const { id, metadata } = (await created.json()) as Json;
    expect(metadata).toBeNull();
    const path = `/foundationModels/v1/operations/${String(id)}?wait=30`;
    expect(await (await gateway.fetch(path)).json()).toMatchObject({ done: true, metadata: null });
  });

  it('is told by another gateway with the same secret, which has only the id', async () => {
    const environment = { GATEWAY_SECRET: 'a-secret-of-both-gateways-of-this-test-000' };
    const { gateway, service } = await start(
      { renderer: stubRenderer() },
      { DEFAULT_MODEL: 'stub-1', IMAGE_MEDIA_TYPES: 'image/png', ...environment },
    );
    const { id, response } = await finished(gateway, { prompt: 'a red cat', seed: 7 });
    const other = await startGateway({
      UPSTREAM_ADDRESS: `http://127.0.0.1:${service.port}`,
      ...environment,
    });
    opened.push(other);
    const read = await other.fetch(`/operations/${String(id)}`);
    const url = expect.stringContaining(String(id)) as unknown;
    expect(await read.json()).toMatchObject({
      metadata: null,
      response: { ...(response as Json), url },
    });
  });
});

it('a model that takes seeds and negative prompts says so, and ignores nothing', async () => {
  const { gateway } = await start();
  const created = await gateway.create(
    { prompt: 'a red cat', seed: 7, negativePrompt: 'text' },
    wait,
  );
  expect(created.headers.get('x-ignored-params')).toBeNull();
  const { id, response } = (await created.json()) as Json;
  expect(response).toMatchObject({ seed: '7', seedApplied: true, ignored: [] });
  const image = await gateway.fetch(`/operations/${String(id)}/image`);
  expect(image.headers.get('x-image-seed')).toBe('7');
});

it('an upstream that says nothing of it leaves both out', async () => {
  const emulator = await startEmulator({ latencyMs: 0 });
  opened.push(emulator);
  const gateway = await startGateway({ UPSTREAM_ADDRESS: emulator.address });
  opened.push(gateway);
  const { response } = await finished(gateway, { prompt: 'a red cat' });
  expect(response).not.toHaveProperty('seedApplied');
  expect(response).not.toHaveProperty('ignored');
});
