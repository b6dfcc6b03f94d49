import { toBinary } from '@bufbuild/protobuf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { startKeyedGateway } from '../support/keyed-gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';

/** Names that LangChain, n8n, Open WebUI and others send by default. */
const builtInNames = ['dall-e-2', 'dall-e-3', 'gpt-image-1'];
const accepted = raw.ok(toBinary(OperationSchema, runningOperation('up1')));
const opened: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

function closeLater<Part extends { close(): Promise<unknown> }>(part: Part): Part {
  opened.push(part);
  return part;
}

type Json = Record<string, unknown>;

async function post(gateway: Gateway, path: string, body: unknown, headers = {}) {
  const response = await gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Json };
}

const native = (gateway: Gateway, body: Json) =>
  post(gateway, '/v1/images', { prompt: 'a cat', ...body });
const openAi = (gateway: Gateway, body: Json, headers = {}) =>
  post(gateway, '/v1/images/generations', { prompt: 'a cat', ...body }, headers);
const vendor = (gateway: Gateway, modelUri: string) =>
  post(gateway, '/foundationModels/v1/imageGenerationAsync', {
    modelUri,
    messages: [{ text: 'a cat', weight: 1 }],
  });

/** Names that no upstream can have. Clients of other services send some of them. */
const oddNames = [
  'black-forest-labs/flux:free',
  'gpt://folder/x',
  'art://folder',
  'a b',
  '../x',
  'yandex-art/latest/more',
  ' ',
  '*',
  '__proto__',
  'модель',
  '🐈‍⬛',
  `m${'a'.repeat(300)}`,
  'x'.repeat(60_000),
  'a\r\nset-cookie: b=c',
  '\u001b[31m',
  '<script>alert(1)</script>',
];

/** A promise of every response here: it shows no folder of the operator's and no text of the upstream's. */
function expectNoFolder(body: unknown): void {
  expect(JSON.stringify(body)).not.toMatch(/operators-folder|Access to|does not match/);
}

describe('with the embedded service, whose models are known', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({ DRAWING_DELAY_MS: '0' });
  });
  afterAll(() => gateway.close());

  it.each(builtInNames)('%s is a 400 on the native surface', async (model) => {
    const detail = `there is no model "${model}" that you may use; there are: yandex-art`;
    expect(await native(gateway, { model })).toMatchObject({
      status: 400,
      body: {
        code: 'model_not_found',
        outcome: 'not_started',
        retryable: false,
        detail,
        errors: [{ pointer: '#/model', code: 'model_not_found', detail }],
      },
    });
  });

  it.each(builtInNames)('%s is a 404 in OpenAI’s form on its surface', async (model) => {
    expect(await openAi(gateway, { model })).toEqual({
      status: 404,
      body: {
        error: {
          message: `model: there is no model "${model}" that you may use; there are: yandex-art`,
          type: 'invalid_request_error',
          param: 'model',
          code: 'model_not_found',
          outcome: 'not_started',
        },
      },
    });
  });

  it.each([...oddNames.entries()])(
    'odd name %i is found on no surface, and echoed harmlessly',
    async (_index, model) => {
      const [ours, openAis] = [await native(gateway, { model }), await openAi(gateway, { model })];
      expect(ours).toMatchObject({
        status: 400,
        body: { code: 'model_not_found', outcome: 'not_started', errors: [{ pointer: '#/model' }] },
      });
      expect(openAis).toMatchObject({
        status: 404,
        body: { error: { code: 'model_not_found', param: 'model', type: 'invalid_request_error' } },
      });
      for (const { body } of [ours, openAis]) {
        expect(JSON.stringify(body)).not.toMatch(/\\[nru]|x{65}|a{65}/);
      }
    },
  );

  it('another model is refused in the upstream’s own words on the vendor’s surface', async () => {
    expect(await vendor(gateway, 'art://local/dall-e-3')).toMatchObject({
      status: 400,
      body: { code: 3, message: 'Model URI names a model that is not served here' },
    });
  });

  it.each([
    [{ modelUri: 'art://local/dall-e-3/latest' }, '#/modelUri'],
    [{ model_uri: 'art://local/dall-e-3/latest' }, '#/model_uri'],
    [{ model: 'art://local/dall-e-3' }, '#/model'],
    [{ model: 'dall-e-3/latest' }, '#/model'],
  ])('%j is refused at the field that names it', async (body, pointer) => {
    const response = await native(gateway, body);
    expect(response.body).toMatchObject({ code: 'model_not_found', errors: [{ pointer }] });
  });

  it.each([
    {},
    { model: 'yandex-art' },
    { model: 'yandex-art/latest' },
    { model: 'yandex-art/rc' },
  ])('%j is accepted', async (body) => {
    expect((await native(gateway, body)).status).toBe(202);
  });
});

describe('aliases', () => {
  let gateway: Gateway;
  const open = async (aliases: Record<string, string>) => {
    const environment = { DRAWING_DELAY_MS: '0', MODEL_ALIASES: JSON.stringify(aliases) };
    gateway = closeLater(await startGateway(environment));
  };

  it('have * for every other bare name, but for no URI', async () => {
    await open({ '*': 'yandex-art', cats: 'yandex-art' });
    const odd = oddNames.filter((name) => !name.includes('://'));
    for (const model of [...builtInNames, ...odd, 'dall-e-3/latest']) {
      expect((await native(gateway, { model })).status).toBe(202);
    }
    expect((await openAi(gateway, { model: 'dall-e-3', response_format: 'url' })).status).toBe(200);
    for (const model of ['art://local/dall-e-3', 'gpt://folder/x', 'http://a/b']) {
      expect((await native(gateway, { model })).body).toMatchObject({ code: 'model_not_found' });
    }
    const { data } = (await (await gateway.fetch('/v1/models')).json()) as { data: Json[] };
    expect(data.map(({ id }) => id)).toEqual(['yandex-art', 'cats']);
    const missing = await gateway.fetch('/v1/models/dall-e-3');
    expect([missing.status, await missing.json()]).toMatchObject([
      404,
      { error: { code: 'model_not_found', param: 'model', type: 'invalid_request_error' } },
    ]);
  }, 60_000);

  it('take a name of any form', async () => {
    await open({ 'black-forest-labs/flux:free': 'yandex-art', 'gpt://folder/x': 'yandex-art' });
    for (const model of ['black-forest-labs/flux:free', 'gpt://folder/x']) {
      expect((await native(gateway, { model })).status).toBe(202);
    }
  });

  it('with an exact name come before *, and a wrong target is the operator’s mistake', async () => {
    await open({ '*': 'no-such-model', 'dall-e-3': 'yandex-art' });
    expect((await native(gateway, { model: 'dall-e-3' })).status).toBe(202);
    expect(await native(gateway, { model: 'dall-e-2' })).toMatchObject({
      status: 502,
      body: { code: 'upstream_auth', outcome: 'not_started' },
    });
  });

  it('are listed up to 20 in an error, beside a part of a long name', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `alias-${index}`);
    await open(Object.fromEntries(names.map((name) => [name, 'yandex-art'])));
    const { body } = await native(gateway, { model: 'x'.repeat(200) });
    const detail = String(body['detail']);
    expect(detail).toContain(`"${'x'.repeat(64)}"`);
    expect(detail.match(/alias-/g)).toHaveLength(19);
    expect(detail).toMatch(/, …$/);
  });
});

describe('with an upstream whose models are not known', () => {
  let upstream: RawUpstream;
  let gateway: Gateway;

  beforeEach(async () => {
    upstream = closeLater(await startRawUpstream());
  });
  const open = async (environment: Record<string, string> = {}) => {
    gateway = closeLater(
      await startGateway({
        UPSTREAM_ADDRESS: upstream.address,
        FOLDER_ID: 'operators-folder',
        METRICS_PORT: '0',
        ...environment,
      }),
    );
  };
  const uri = 'art://operators-folder/dall-e-3/latest';
  const refusals = [
    [7, `Access to model ${uri} denied`],
    [5, `Model ${uri} not found`],
    [5, 'The model does not exist'],
    [3, `unknown model: ${uri}`],
    [9, `model ${uri} is retired`],
  ] as const;

  it.each(refusals)('a name that it refuses is the caller’s mistake: %i %s', async (code, text) => {
    await open();
    upstream.on('Generate', raw.status(code, text));
    const response = await native(gateway, { model: 'dall-e-3' });
    expect(response).toMatchObject({
      status: 400,
      body: { code: 'model_not_found', outcome: 'not_started', errors: [{ pointer: '#/model' }] },
    });
    expect(response.body['detail']).toBe(
      'there is no model "dall-e-3" that you may use; there are: yandex-art',
    );
    expectNoFolder(response.body);
    const onOpenAi = await openAi(gateway, { model: 'dall-e-3' });
    expect(onOpenAi).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found', param: 'model', type: 'invalid_request_error' } },
    });
    expectNoFolder(onOpenAi.body);
    const metrics = await gateway.metrics();
    expect(metrics.sum('gateway_creates_total', { reason: 'model_not_found' })).toBe(2);
    expect(metrics.sum('gateway_creates_total', { reason: 'upstream_auth' })).toBe(0);
  });

  it.each(refusals)(
    'a default model that it refuses is the operator’s: %i %s',
    async (code, text) => {
      await open({ DEFAULT_MODEL: 'dall-e-3', MODEL_ALIASES: '{"own":"dall-e-3/latest"}' });
      upstream.on('Generate', raw.status(code, text));
      const expected = { status: 502, body: { code: 'upstream_auth', outcome: 'not_started' } };
      const bodies = [{}, { model: 'own' }, { model: 'dall-e-3' }];
      // The words about a name alone could be about the prompt with other codes.
      for (const body of bodies) {
        const response = await native(gateway, body);
        expect(response).toMatchObject(expected);
        expectNoFolder(response.body);
      }
    },
  );

  it.each([...oddNames.entries()])('odd name %i is not sent to it', async (_index, model) => {
    await open();
    upstream.on('Generate', accepted);
    expect(await native(gateway, { model })).toMatchObject({
      status: 400,
      body: { code: 'model_not_found', errors: [{ pointer: '#/model' }] },
    });
    expect(upstream.calls).toHaveLength(0);
  });

  it('a folder that the caller named and that is not the account’s is the caller’s mistake', async () => {
    await open();
    upstream.on(
      'Generate',
      raw.status(
        3,
        "Specified folder ID 'b1gother' does not match with service account folder ID 'operators-folder'",
      ),
    );
    const named = await native(gateway, { model: 'art://b1gother/yandex-art' });
    expect(named).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ pointer: '#/model', code: 'folder' }] },
    });
    expectNoFolder(named.body);
    const header = await openAi(gateway, {}, { 'openai-project': 'b1gother' });
    expect(header).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_request', type: 'invalid_request_error' } },
    });
    expectNoFolder(header.body);
    const ours = await native(gateway, {});
    expect(ours).toMatchObject({ status: 502, body: { code: 'upstream_auth' } });
    expectNoFolder(ours.body);
  });

  it('the vendor’s surface keeps the upstream’s words about what the caller named', async () => {
    await open();
    const text = 'Access to model art://b1gother/dall-e-3 denied';
    upstream.on('Generate', raw.status(7, text));
    expect(await vendor(gateway, 'art://b1gother/dall-e-3')).toMatchObject({
      status: 403,
      body: { code: 7, message: text },
    });
    const folders =
      "Specified folder ID 'b1gother' does not match with service account folder ID 'x'";
    upstream.on('Generate', raw.status(3, folders));
    expect(await vendor(gateway, 'art://b1gother/yandex-art')).toMatchObject({
      status: 400,
      body: { code: 3, message: folders },
    });
  });

  it.each([16, 7, 3])('a token that it refuses is the gateway’s: %i', async (code) => {
    await open();
    upstream.on('Generate', raw.status(code, 'Token is invalid or has expired.'));
    expect(await native(gateway, { model: 'dall-e-3' })).toMatchObject({
      status: 502,
      body: { code: 'upstream_auth' },
    });
  });

  it('a prompt that the upstream quotes accuses no one', async () => {
    await open();
    upstream.on(
      'Generate',
      raw.status(3, 'can not read the text "unknown model, token is invalid"'),
    );
    for (const body of [{}, { model: 'dall-e-3' }]) {
      expect(await native(gateway, body)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
    }
  });

  it('what the upstream says in passing about the model is not about its name', async () => {
    await open();
    upstream.on('Generate', raw.status(3, 'The model takes ratios of 1:8 to 8:1 only'));
    expect(await native(gateway, { model: 'dall-e-3' })).toMatchObject({
      body: { code: 'invalid_request' },
    });
  });

  it('the alias * takes what no exact name does', async () => {
    await open({ MODEL_ALIASES: '{"*":"yandex-art"}' });
    upstream.on('Generate', accepted);
    expect((await native(gateway, { model: 'dall-e-3' })).status).toBe(202);
    expect(upstream.calls[0]?.message.toString()).toContain('art://operators-folder/yandex-art/');
  });

  it('with passthrough a name is the caller’s mistake, and the configured model is denied to it', async () => {
    await open({ AUTH: 'passthrough' });
    upstream.on('Get', raw.status(5, 'Operation not found'));
    const headers = { authorization: 'Api-Key own' };
    upstream.on('Generate', raw.status(7, `Access to model ${uri} denied`));
    const named = await post(gateway, '/v1/images', { prompt: 'a', model: 'dall-e-3' }, headers);
    expect(named).toMatchObject({ status: 400, body: { code: 'model_not_found' } });
    const configured = await post(gateway, '/v1/images', { prompt: 'a' }, headers);
    expect(configured).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    upstream.on('Generate', raw.status(16, 'Token is invalid or has expired.'));
    const refused = await post(gateway, '/v1/images', { prompt: 'a', model: 'dall-e-3' }, headers);
    expect(refused).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  });
});

describe('a caller with a limit of images a minute', () => {
  it('loses nothing of it to names that do not exist', async () => {
    const keyed = closeLater(
      await startKeyedGateway({ callers: { ann: { imagesPerMinuteMax: 2 } } }),
    );
    const headers = keyed.keyOf('ann');
    const create = (body: Json) =>
      post(keyed.gateway, '/v1/images', { prompt: 'a cat', ...body }, headers);
    for (let count = 0; count < 6; count += 1) {
      expect((await create({ model: 'dall-e-3' })).body).toMatchObject({ code: 'model_not_found' });
    }
    expect([(await create({})).status, (await create({})).status]).toEqual([202, 202]);
    expect((await create({})).body).toMatchObject({ code: 'rate_limited' });
  });
});

describe('a caller with its own list of models', () => {
  it('is denied a model that exists, and sees its own names for one that does not', async () => {
    const keyed = closeLater(
      await startKeyedGateway({
        callers: { ann: { models: ['other'] } },
        emulator: { models: ['yandex-art', 'other'] },
        environment: { FOLDER_ID: 'operators-folder' },
      }),
    );
    const headers = keyed.keyOf('ann');
    const denied = await post(keyed.gateway, '/v1/images', { prompt: 'a cat' }, headers);
    expect(denied).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    const models = await keyed.gateway.fetch('/v1/models/yandex-art', { headers });
    expect([models.status, await models.json()]).toMatchObject([
      404,
      { error: { message: expect.stringContaining('there are: other') as string } },
    ]);
  });
});
