import { setImmediate } from 'node:timers/promises';
import { toBinary } from '@bufbuild/protobuf';
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { idOf, statusOf } from '../support/responses.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import * as raw from '../support/raw-responses.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${callerSpanId}-01`;
const canary = 'canary prompt 7b1e';
const exporter = new InMemorySpanExporter();

let upstream: RawUpstream;
let gateway: Gateway;

async function start(): Promise<void> {
  upstream = await startRawUpstream();
  gateway = await startGateway({
    UPSTREAM_ADDRESS: upstream.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
  });
  while ((await statusOf(gateway.fetch('/readyz'))) !== 200) await setImmediate();
  upstream.on('Generate', raw.ok(toBinary(OperationSchema, runningOperation('upstream1'))));
  upstream.on('Get', raw.ok(toBinary(OperationSchema, succeededOperation('upstream1'))));
}

async function close(): Promise<void> {
  await gateway.close();
  await upstream.close();
}

const sentTraceparents = () => upstream.calls.map(({ headers }) => headers['traceparent']);

describe('without an SDK', () => {
  beforeAll(start);
  afterAll(close);

  it('continues a valid traceparent to the upstream, and invents none', async () => {
    await gateway.create({ prompt: canary }, { traceparent });
    await gateway.create({ prompt: canary }, { traceparent: `00-${'0'.repeat(32)}-x-01` });
    await gateway.create({ prompt: canary });
    const [continued, ...others] = sentTraceparents();
    expect(continued).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect(continued).not.toBe(traceparent);
    expect(others).toEqual([undefined, undefined]);
  });
});

describe('with an SDK', () => {
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  beforeAll(async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(provider);
    await start();
  });
  afterAll(async () => {
    await close();
    await provider.shutdown();
    trace.disable();
    context.disable();
  });
  beforeEach(() => {
    exporter.reset();
    upstream.calls.length = 0;
  });

  /** Finished spans of one kind. */
  const spans = (kind: SpanKind): readonly ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => span.kind === kind);

  it('a request and its calls are one trace of caller, gateway and upstream', async () => {
    const id = await idOf(
      gateway.create(
        { prompt: canary },
        { traceparent, tracestate: 'vendor=1', 'x-request-id': 'traced-1' },
      ),
    );
    await (await gateway.fetch(`/operations/${id}/image?wait=10&token=canary-token`)).arrayBuffer();
    await expect.poll(() => spans(SpanKind.SERVER).length, { timeout: 10_000 }).toBe(2);
    const [create, read] = spans(SpanKind.SERVER);
    const [generate, get] = spans(SpanKind.CLIENT);

    expect(create?.name).toBe('POST /v1/images');
    expect(create?.parentSpanContext).toMatchObject({
      traceId,
      spanId: callerSpanId,
      isRemote: true,
    });
    expect(create?.parentSpanContext?.traceState?.serialize()).toBe('vendor=1');
    expect(create?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/v1/images',
      'http.response.status_code': 202,
      'url.scheme': 'http',
      'gateway.request_id': 'traced-1',
      'gateway.operation_id': id,
    });
    expect(generate?.name).toBe(
      'yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationAsyncService/Generate',
    );
    expect(generate?.attributes).toEqual({
      'rpc.system': 'grpc',
      'rpc.service':
        'yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationAsyncService',
      'rpc.method': 'Generate',
      'rpc.grpc.status_code': 0,
    });
    expect(generate?.parentSpanContext?.spanId).toBe(create?.spanContext().spanId);
    // The poll belongs to the create too, whichever request waits for the image.
    expect(get?.parentSpanContext?.spanId).toBe(create?.spanContext().spanId);
    expect(read?.spanContext().traceId).not.toBe(traceId);
    expect(read?.name).toBe('GET /operations/:id/image');

    const clients = [generate, get].map((span) => span?.spanContext());
    expect(clients.map((span) => span?.traceId)).toEqual([traceId, traceId]);
    expect(sentTraceparents()).toEqual(clients.map((span) => `00-${traceId}-${span?.spanId}-01`));
    const exported = JSON.stringify(
      exporter.getFinishedSpans().map(({ name, attributes, status }) => [name, attributes, status]),
    );
    expect(exported).not.toMatch(/canary|wait=/);
  });

  it('failures are recorded: a failed call, a 5xx, an unknown path', async () => {
    upstream.on('Generate', raw.status(13, 'canary of the upstream'));
    expect(await statusOf(gateway.create({ prompt: canary }))).toBe(502);
    await gateway.fetch(`/${canary}?${canary}`, { method: 'PUT' });
    await expect.poll(() => spans(SpanKind.SERVER).length, { timeout: 10_000 }).toBe(2);
    const [create, unmatched] = spans(SpanKind.SERVER);
    const [generate] = spans(SpanKind.CLIENT);
    expect(create?.status.code).toBe(SpanStatusCode.ERROR);
    expect(create?.attributes).toMatchObject({
      'http.response.status_code': 502,
      'error.type': 'upstream_error',
    });
    expect(JSON.stringify(generate?.events)).not.toContain('canary');
    expect(generate?.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(generate?.attributes['rpc.grpc.status_code']).toBe(13);
    expect(unmatched?.name).toBe('PUT');
    expect(unmatched?.status.code).toBe(SpanStatusCode.UNSET);
    expect(JSON.stringify(unmatched?.attributes)).not.toContain('canary');
  });
});
