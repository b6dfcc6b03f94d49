import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ModelCard } from '../../src/renderers/renderer.ts';
import {
  startGatewayWithService,
  type GatewayWithService,
} from '../support/gateway-with-service.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { jsonOf } from '../support/responses.ts';
import { startService } from '../support/service.ts';
import { stubRenderer } from '../support/stub-renderer.ts';
import { TcpGate } from '../support/tcp-gate.ts';

type Json = Record<string, unknown>;

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

function closeLater<Part extends { close(): Promise<unknown> }>(part: Part): Part {
  opened.push(part);
  return part;
}

async function start(
  card: Partial<ModelCard> = {},
  environment: Record<string, string> = {},
): Promise<GatewayWithService> {
  const parts = await startGatewayWithService(
    { renderer: stubRenderer({ card }) },
    { DEFAULT_MODEL: 'stub-1', ...environment },
  );
  closeLater(parts);
  await described(parts.gateway, 'stub-1');
  return parts;
}

const modelOf = (gateway: Gateway, id: string) => jsonOf(gateway.fetch(`/v1/models/${id}`));

/** Resolves when the gateway has learned what the service's model can do. */
async function described(gateway: Gateway, id: string): Promise<Json> {
  const model = async () => modelOf(gateway, id);
  await expect.poll(model, { timeout: 20_000 }).toHaveProperty('seeds');
  return model();
}

const openAi = (gateway: Gateway, body: Json, headers = {}) =>
  jsonOf(
    gateway.fetch('/v1/images/generations', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ prompt: 'a red cat', ...body }),
    }),
  );

describe('GET /v1/models', () => {
  it('tells what each model of the service can do, under each of its names', async () => {
    const { gateway } = await start(
      { promptCharactersMax: 100, seedMax: 5n },
      { MODEL_ALIASES: '{"cats":"stub-1"}' },
    );
    const can = {
      ...{ object: 'model', sizes: ['1024x1024'], media_types: ['image/png'] },
      ...{ prompt_characters_max: 100, seeds: true, negative_prompts: false },
    };
    const { data } = await jsonOf(gateway.fetch('/v1/models'));
    expect(data).toMatchObject([
      { id: 'stub-1', ...can },
      { id: 'cats', ...can },
    ]);
    expect(await modelOf(gateway, 'cats')).toMatchObject({ id: 'cats', ...can });
  });

  it('tells the area of a model that makes any ratio', async () => {
    const sizes = { kind: 'area', areaPixels: 1_048_576, sidePixels: 16, ratioMax: 3 } as const;
    const { gateway } = await start({ sizes });
    expect(await modelOf(gateway, 'stub-1')).toMatchObject({
      size_area: { pixels: 1_048_576, side_multiple: 16, ratio_max: 3 },
    });
  });

  it('says nothing more of the models of another upstream', async () => {
    const gateway = closeLater(
      await startGateway({ UPSTREAM_ADDRESS: 'http://127.0.0.1:1', FOLDER_ID: 'folder' }),
    );
    expect(await modelOf(gateway, 'yandex-art')).toEqual({
      ...{ httpStatus: 200, id: 'yandex-art', object: 'model', created: 0, owned_by: 'upstream' },
    });
  });
});

describe('before anything is spent', () => {
  it('a name that the service does not have is refused with those that it has', async () => {
    const { gateway } = await start();
    const refused = await jsonOf(gateway.create({ prompt: 'a', model: 'other' }));
    const detail = 'there is no model "other" that you may use; there are: stub-1';
    expect(refused).toMatchObject({ httpStatus: 400, code: 'model_not_found', detail });
    expect(await openAi(gateway, { model: 'other' })).toMatchObject({
      httpStatus: 404,
      error: { code: 'model_not_found', param: 'model' },
    });
  });

  it('the prompt is measured by the model’s own limit, unless the operator’s is lower', async () => {
    const { gateway } = await start(
      { promptCharactersMax: 1_000 },
      { PROMPT_CHARACTERS_MAX_BY_MODEL: '{"other":600}' },
    );
    const prompt = 'x'.repeat(1_000);
    expect((await gateway.create({ prompt })).status).toBe(202);
    expect(await jsonOf(gateway.create({ prompt: `${prompt}x` }))).toMatchObject({
      ...{ httpStatus: 400, code: 'prompt_too_long', outcome: 'not_started' },
      detail: 'the prompt has 1001 characters; the model takes 1000',
    });
    const { gateway: stricter } = await start(
      { promptCharactersMax: 1_000 },
      { PROMPT_CHARACTERS_MAX_BY_MODEL: '{"stub-1":600}' },
    );
    expect(await jsonOf(stricter.create({ prompt }))).toMatchObject({ code: 'prompt_too_long' });
    expect(await modelOf(stricter, 'stub-1')).toMatchObject({ prompt_characters_max: 600 });
  });

  it('only the media types of the model can be asked for, and its preferred one is asked for by itself', async () => {
    const { gateway } = await start({ mediaTypes: ['image/webp', 'image/png'] });
    const refused = await jsonOf(gateway.create({ prompt: 'a', mimeType: 'image/jpeg' }));
    expect(refused).toMatchObject({
      httpStatus: 400,
      errors: [{ pointer: '#/mimeType', detail: 'the upstream makes image/webp, image/png' }],
    });
    const accept = { accept: 'image/jpeg' };
    expect((await gateway.create({ prompt: 'a' }, accept)).status).toBe(406);
    expect((await gateway.create({ prompt: 'a' })).status).toBe(202);
    const made = await gateway.create({ prompt: 'a' }, { accept: 'image/png' });
    expect([made.status, made.headers.get('content-type')]).toEqual([200, 'image/png']);
  });

  it('strict callers are refused what the model would ignore', async () => {
    const { gateway } = await start();
    const strict = { prefer: 'handling=strict' };
    const body = { prompt: 'a', negative_prompt: 'text', seed: 7 };
    const refused = await jsonOf(gateway.create(body, strict));
    expect(refused).toMatchObject({
      ...{ httpStatus: 400, code: 'invalid_request', outcome: 'not_started' },
      errors: [
        { pointer: '#/seed', code: 'ignored' },
        { pointer: '#/negative_prompt', code: 'ignored' },
      ],
    });
    expect(await openAi(gateway, { seed: 7 }, strict)).toMatchObject({
      httpStatus: 400,
      error: { param: 'seed', outcome: 'not_started' },
    });
    expect((await gateway.create({ prompt: 'a' }, strict)).status).toBe(202);
  });
});

describe('a refusal of the service', () => {
  it('is placed at the field that the caller wrote, on each surface', async () => {
    const { gateway } = await start();
    const wide = await jsonOf(gateway.create({ prompt: 'a', aspect_ratio: '100:1' }));
    expect(wide).toMatchObject({
      ...{ httpStatus: 400, code: 'invalid_request', outcome: 'not_started' },
      errors: [{ pointer: '#/aspect_ratio' }],
    });
    expect(await openAi(gateway, { size: '10000x100' })).toMatchObject({
      httpStatus: 400,
      error: { param: 'size', code: 'invalid_request' },
    });
  });
});

describe('a service', () => {
  let directory = '';
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'model-cards-'));
    opened.push({ close: () => rm(directory, { recursive: true, force: true }) });
  });

  const serviceOf = (name: string, port = 0) =>
    startService({
      ...{ directory: join(directory, name), port },
      renderer: stubRenderer({ card: { name } }),
    });

  const gatewayOf = async (address: string) =>
    closeLater(
      await startGateway({
        ...{ UPSTREAM_ADDRESS: address, UPSTREAM_IS_SERVICE: 'true', DEFAULT_MODEL: 'first' },
      }),
    );

  it('that is not there when the gateway starts keeps it from nothing, and is asked until it responds', async () => {
    const service = await serviceOf('first');
    opened.push({ close: () => service.close(0) });
    const gate = closeLater(await TcpGate.open(service.port, 'shut'));
    const gateway = await gatewayOf(gate.address);
    expect(await modelOf(gateway, 'first')).not.toHaveProperty('seeds');
    gate.state = 'open';
    await described(gateway, 'first');
  });

  it('that was replaced by one with another model is asked again after its first refusal', async () => {
    const first = await serviceOf('first');
    const { port } = first;
    const gateway = await gatewayOf(`http://127.0.0.1:${port}`);
    await described(gateway, 'first');
    await first.close(0);
    const second = await serviceOf('second', port);
    opened.push({ close: () => second.close(0) });
    await expect
      .poll(async () => (await gateway.create({ prompt: 'a' })).status, { timeout: 20_000 })
      .toBe(502);
    await described(gateway, 'second');
  });
});
