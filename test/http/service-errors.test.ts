import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  RendererError,
  type Attempt,
  type RenderedImage,
  type RenderPlan,
} from '../../src/renderers/renderer.ts';
import {
  startGatewayWithService,
  type GatewayWithService,
} from '../support/gateway-with-service.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { stubRenderer, type StubRendererOptions } from '../support/stub-renderer.ts';

type Json = Record<string, unknown>;

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of opened.splice(0).toReversed()) await part.close();
});

async function start(
  renderer: StubRendererOptions,
  service: object = {},
  environment: Record<string, string> = {},
): Promise<GatewayWithService> {
  const parts = await startGatewayWithService(
    { renderer: stubRenderer(renderer), ...service },
    { DEFAULT_MODEL: 'stub-1', IMAGE_MEDIA_TYPES: 'image/png', ...environment },
  );
  opened.push(parts);
  return parts;
}

async function openAi(gateway: Gateway, body: Json) {
  const response = await gateway.fetch('/v1/images/generations', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { status, headers } = response;
  return { status, headers, body: (await response.json()) as Json };
}

async function ended(gateway: Gateway, body: Json, headers = {}): Promise<Json> {
  const response = await gateway.create(body, { prefer: 'wait=30', ...headers });
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
}

const rendererFailing = (error: RendererError) => async (): Promise<RenderedImage> => {
  throw error;
};
const lost = rendererFailing(
  new RendererError('unknown', 'the connection broke', { lossCause: 'reset' }),
);
const never = (_plan: RenderPlan, { signal }: Attempt) =>
  new Promise<RenderedImage>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('stopped')));
  });

describe('an image whose answer the service lost', () => {
  it('is a failed operation with the reason result_lost, not to be retried, also under its key', async () => {
    let asked = 0;
    const render = async () => {
      asked += 1;
      return lost();
    };
    const { gateway } = await start({ render });
    const key = { 'idempotency-key': 'one' };
    const operation = await ended(gateway, { prompt: 'a red cat' }, key);
    expect(operation).toMatchObject({
      status: 'failed',
      error: { code: 10, reason: 'result_lost', retryable: false },
    });
    expect((operation['error'] as Json)['message']).toContain('may have been made and paid for');
    const again = await ended(gateway, { prompt: 'a red cat' }, key);
    expect(again['id']).toBe(operation['id']);
    expect(asked).toBe(1);
    const image = await gateway.fetch(`/operations/${String(operation['id'])}/image`);
    expect(image.status).toBe(502);
    expect(image.headers.get('retry-after')).toBeNull();
    expect(await image.json()).toMatchObject({ code: 'result_lost', retryable: false });
    const page = await gateway.fetch('/problems/result_lost');
    expect(await page.text()).toContain('may have been made and paid for');
  });

  it('is a final error on OpenAI’s surface', async () => {
    const { gateway } = await start({ render: lost });
    const { status, headers, body } = await openAi(gateway, { prompt: 'a red cat' });
    expect(status).toBe(502);
    expect(headers.get('x-should-retry')).toBe('false');
    expect(body).toMatchObject({ error: { code: 'result_lost', type: 'server_error' } });
  });

  it('is ABORTED on the vendor’s surface, with the service’s ErrorInfo', async () => {
    const { gateway } = await start({ render: lost });
    const { id } = await ended(gateway, { prompt: 'a red cat' });
    const response = await gateway.fetch(`/foundationModels/v1/operations/${String(id)}`);
    expect(await response.json()).toMatchObject({
      done: true,
      error: {
        code: 10,
        details: [
          { reason: 'OUTCOME_UNKNOWN', metadata: { backend: 'stub', attempts: '1' } },
        ] as unknown,
      },
    });
  });

  it('is not believed of an upstream that only says the same', async () => {
    const info = create(ErrorInfoSchema, {
      domain: 'image-generation-gateway',
      reason: 'OUTCOME_UNKNOWN',
    });
    const details = [
      create(AnySchema, {
        typeUrl: `type.googleapis.com/${ErrorInfoSchema.typeName}`,
        value: toBinary(ErrorInfoSchema, info),
      }),
    ];
    const error = { code: 10, message: 'lost', details };
    const operation = create(OperationSchema, {
      ...{ id: 'up1', done: true },
      result: { case: 'error', value: error },
    });
    const upstream = await startRawUpstream();
    opened.push(upstream);
    upstream.on('Generate', raw.ok(toBinary(OperationSchema, operation)));
    const gateway = await startGateway({ UPSTREAM_ADDRESS: upstream.address });
    opened.push(gateway);
    expect(await ended(gateway, { prompt: 'a red cat' })).toMatchObject({
      error: { code: 10, reason: 'upstream_error' },
    });
  });
});

describe('a prompt that the model’s provider refuses', () => {
  const render = rendererFailing(
    new RendererError('moderated', 'Your request was rejected by the safety system.'),
  );

  it('is a content policy violation, in the words that callers of the contract know', async () => {
    const { gateway } = await start({ render });
    const operation = await ended(gateway, { prompt: 'a red cat' });
    expect(operation['error']).toMatchObject({
      ...{ code: 3, reason: 'content_policy_violation', retryable: false },
      message: expect.stringContaining('may violate the terms of use') as string,
    });
    const { status, body } = await openAi(gateway, { prompt: 'a red cat' });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      error: { code: 'moderation_blocked', type: 'image_generation_user_error' },
    });
  });
});

describe('a create that the service does not take', () => {
  it('for its full queue is a 429 that says when to come back, and the breaker stays closed', async () => {
    let began = () => undefined as void;
    const isRendering = new Promise<void>((resolve) => (began = resolve));
    const render = (plan: RenderPlan, attempt: Attempt) => {
      began();
      return never(plan, attempt);
    };
    const { gateway } = await start({ render, concurrency: 1 }, { queuedMax: 1 });
    expect((await gateway.create({ prompt: 'rendered' })).status).toBe(202);
    await isRendering;
    expect((await gateway.create({ prompt: 'queued' })).status).toBe(202);
    for (let count = 0; count < 10; count += 1) {
      const response = await gateway.create({ prompt: 'beyond the queue' });
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10']);
      expect(await response.json()).toMatchObject({
        ...{ code: 'quota_exceeded', outcome: 'not_started', retryable: true },
        detail: 'the queue is full: try again later',
      });
    }
  });

  it('for a full disk is a 503 that blames no caller, and may be repeated under its key', async () => {
    const { gateway } = await start({}, { imagesBytesMax: 0 });
    for (let count = 0; count < 10; count += 1) {
      const response = await gateway.create(
        { prompt: 'a red cat' },
        { 'idempotency-key': 'again' },
      );
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '30']);
      expect(await response.json()).toMatchObject({
        ...{ code: 'upstream_unavailable', outcome: 'not_started', retryable: true },
        detail: 'the disk of the service is full',
      });
    }
  });
});
