import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, DurationSchema } from '@bufbuild/protobuf/wkt';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { BadRequestSchema, RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  openUpstreamClient,
  type UpstreamClient,
  type UpstreamClientOptions,
} from '../../src/upstream/upstream-client.ts';
import { runningOperation, succeededOperation, tinyPng } from '../support/fake-upstream.ts';
import * as raw from '../support/raw-answers.ts';
import { startRawUpstream, type RawUpstream } from '../support/raw-upstream.ts';

let upstream: RawUpstream;
const clients: UpstreamClient[] = [];

beforeEach(async () => {
  upstream = await startRawUpstream();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await upstream.close();
});

function open(changes: Partial<UpstreamClientOptions> = {}): UpstreamClient {
  const client = openUpstreamClient({
    address: upstream.address,
    operationsAddress: upstream.address,
    tokenSource: { authorization: async () => 'Api-Key canary-credential' },
    generateTimeoutMs: 2_000,
    getTimeoutMs: 2_000,
    connectTimeoutMs: 500,
    imageBytesMax: 1_000_000,
    dataLogging: true,
    log: { debug: () => undefined, warn: () => undefined },
    random: () => 0.5,
    ...changes,
  });
  clients.push(client);
  return client;
}

const request = create(ImageGenerationRequestSchema, { modelUri: 'art://f/m' });
const accepted = toBinary(OperationSchema, runningOperation('upstream1'));
const succeededBytes = (image?: Uint8Array) =>
  toBinary(OperationSchema, succeededOperation('upstream1', image));
const generates = () => upstream.calls.filter(({ path }) => path.endsWith('/Generate')).length;

/** The error of a call, which must be a GatewayError that shows no address and no credential. */
async function errorOf(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const shown = JSON.stringify([
      error.message,
      error.detail,
      error.faults,
      error.upstream,
      error.headers,
    ]);
    expect(shown).not.toMatch(/127\.0\.0\.1|canary/);
    return error;
  }
  throw new Error('the call did not fail');
}

describe('a call', () => {
  it('sends the request as it is, to the right path, with a fixed set of metadata', async () => {
    upstream.on('Generate', raw.ok(accepted));
    const client = open({ dataLogging: false, folderId: 'b1g' });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect((await client.generate(request, { traceparent })).id).toBe('upstream1');
    const [call] = upstream.calls;
    expect(call?.path).toBe(
      '/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationAsyncService/Generate',
    );
    expect(call?.message.equals(toBinary(ImageGenerationRequestSchema, request))).toBe(true);
    const own = Object.entries(call?.headers ?? {}).filter(
      ([name]) => !/^(:|grpc-|te$|content-type$|accept-encoding$|user-agent$)/.test(name),
    );
    expect(Object.fromEntries(own)).toEqual({
      authorization: 'Api-Key canary-credential',
      'x-client-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      'x-data-logging-enabled': 'false',
      'x-folder-id': 'b1g',
      traceparent,
    });
  });

  it('hands the picture over as a view on the frame', async () => {
    const image = Buffer.concat([tinyPng, Buffer.alloc(300_000, 7)]);
    upstream.on('Get', raw.ok(succeededBytes(image)));
    const operation = await open().getOperation('upstream1');
    const value =
      operation.result.case === 'response' ? operation.result.value.value : new Uint8Array();
    expect(value.byteLength).toBeGreaterThan(300_000);
    expect(value.buffer.byteLength).toBeGreaterThan(value.byteLength);
  });

  it('is ready once both services were reached, and not before', async () => {
    const client = open();
    await expect.poll(() => client.ready).toBe(true);
    const lost = open({ operationsAddress: 'http://127.0.0.1:1' });
    await errorOf(lost.getOperation('x'));
    expect(lost.ready).toBe(false);
  });
});

describe('what became of a Generate', () => {
  it.each([
    ['is never answered', raw.hang],
    ['is answered with headers alone', raw.hangAfterHeaders],
    ['is answered with two messages', raw.answer([accepted, accepted])],
  ])('that %s ends at its deadline or before, as unknown', async (_, answer) => {
    upstream.on('Generate', answer);
    const startMs = performance.now();
    const error = await errorOf(open({ generateTimeoutMs: 300 }).generate(request));
    expect(performance.now() - startMs).toBeLessThan(300 + 250);
    expect(error.outcome).toBe('unknown');
    expect(generates()).toBe(1);
  });

  it('that is refused unread was not paid for, and is sent at most once more', async () => {
    upstream.refuseStreams(10);
    const error = await errorOf(open().generate(request));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(generates()).toBe(0);
  });

  it('that finds no upstream was not started, and says so fast', async () => {
    const client = open({ address: 'http://127.0.0.1:1' });
    await errorOf(client.generate(request));
    const startMs = performance.now();
    const error = await errorOf(client.generate(request));
    expect([error.reason, error.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    expect(error.retryAfterS).toBe(2);
    expect(performance.now() - startMs).toBeLessThan(50);
  });

  it('that waits for a connection until its deadline was not started', async () => {
    const silent = await silentServer();
    const client = open({
      address: silent.address,
      connectTimeoutMs: 60_000,
      generateTimeoutMs: 200,
    });
    const error = await errorOf(client.generate(request));
    expect([error.reason, error.outcome]).toEqual(['upstream_timeout', 'not_started']);
    await silent.close();
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e18])(
    'takes a timeout of %s for a long one',
    async (generateTimeoutMs) => {
      upstream.on('Generate', raw.ok(accepted));
      expect((await open({ generateTimeoutMs }).generate(request)).id).toBe('upstream1');
    },
  );

  it('takes a timeout below zero for no time at all', async () => {
    upstream.on('Generate', raw.hang);
    expect((await errorOf(open({ generateTimeoutMs: -1 }).generate(request))).reason).toBe(
      'upstream_timeout',
    );
  });

  it('survives a server that goes away after the answer', async () => {
    upstream.on('Generate', raw.okThenGoaway(accepted));
    const client = open();
    for (let count = 0; count < 3; count += 1) {
      expect((await client.generate(request)).id).toBe('upstream1');
    }
    expect(generates()).toBe(3);
  });
});

describe('the words of the upstream', () => {
  it.each([
    'it is not possible to generate an image from this request because it may violate the terms of use',
    'It is not possible to generate an image from this request because it may violate the terms of usage.',
    'Я не могу сгенерировать такое изображение',
    'Давайте сменим другую тему',
  ])('are recognised as moderation: %s', async (message) => {
    upstream.on('Generate', raw.status(3, message));
    const error = await errorOf(open().generate(request));
    expect(error.reason).toBe('content_policy_violation');
    expect(error.detail).toBe(message);
  });

  it('are recognised as the prompt limit', async () => {
    upstream.on('Generate', raw.status(3, 'Prompt positive size 702 exceeds limit (500)'));
    expect((await errorOf(open().generate(request))).reason).toBe('prompt_too_long');
  });

  it('are not repeated when they are about the credentials of the gateway', async () => {
    upstream.on('Generate', raw.status(7, 'Access to model art://canary-folder/x denied'));
    const error = await errorOf(open().generate(request));
    expect(error.detail).toBe('the upstream does not accept the credentials of the gateway');
  });

  it('are bounded and on one line', async () => {
    upstream.on('Generate', raw.status(3, `a\n\u0007${'b'.repeat(2_000)}`));
    const { detail } = await errorOf(open().generate(request));
    expect(detail).toMatch(/^a b+$/);
    expect(detail.length).toBeLessThanOrEqual(500);
  });

  const details = (...messages: { typeUrl: string; value: Uint8Array }[]) =>
    toBinary(
      StatusSchema,
      create(StatusSchema, {
        code: 3,
        details: messages.map((message) => create(AnySchema, message)),
      }),
    );

  it('come with the faults of the request in JSON pointers', async () => {
    const bad = create(BadRequestSchema, {
      fieldViolations: [
        { field: 'generation_options.aspect_ratio', description: 'too wide' },
        { field: 'messages[1].text', description: 'empty' },
      ],
    });
    const any = {
      typeUrl: 'type.googleapis.com/google.rpc.BadRequest',
      value: toBinary(BadRequestSchema, bad),
    };
    upstream.on('Generate', raw.status(3, 'bad request', details(any)));
    expect((await errorOf(open().generate(request))).faults).toEqual([
      { pointer: '#/generationOptions/aspectRatio', code: 'upstream', detail: 'too wide' },
      { pointer: '#/messages/1/text', code: 'upstream', detail: 'empty' },
    ]);
  });

  it('come with when to try again, rounded up', async () => {
    const retry = create(RetryInfoSchema, {
      retryDelay: create(DurationSchema, { seconds: 7n, nanos: 1 }),
    });
    const any = { typeUrl: 'x/google.rpc.RetryInfo', value: toBinary(RetryInfoSchema, retry) };
    upstream.on('Generate', raw.status(8, 'quota', details(any)));
    const error = await errorOf(open().generate(request));
    expect([error.reason, error.retryAfterS]).toEqual(['quota_exceeded', 8]);
    expect(error.upstream).toEqual({
      grpcCode: 'RESOURCE_EXHAUSTED',
      requestId: 'upstream-request-1',
    });
  });

  it.each([
    ['of an unknown type', details({ typeUrl: 'x/unknown.Type', value: Buffer.from('abc') })],
    ['that are broken', Buffer.from('0a0b0c0d0e0f', 'hex')],
    [
      'that are broken inside',
      details({ typeUrl: 'x/google.rpc.BadRequest', value: Buffer.of(255, 255) }),
    ],
  ])('may come with details %s', async (_, bytes) => {
    upstream.on('Generate', raw.status(3, 'bad', bytes));
    const error = await errorOf(open().generate(request));
    expect([error.reason, error.faults]).toEqual(['invalid_request', []]);
  });
});

describe('reading an operation', () => {
  it('tells an unknown one from other errors', async () => {
    upstream.on('Get', raw.status(5, 'not found'));
    expect((await errorOf(open().getOperation('x'))).reason).toBe('operation_not_found');
    upstream.on('Cancel', raw.status(5, 'not found'));
    expect((await errorOf(open().cancelOperation('x'))).reason).toBe('operation_not_found');
  });

  it('takes a picture up to the limit and refuses a larger one for good', async () => {
    upstream.on(
      'Get',
      raw.ok(succeededBytes(Buffer.alloc(1_000_000))),
      raw.ok(succeededBytes(Buffer.alloc(2_200_000))),
    );
    const client = open();
    expect((await client.getOperation('x')).done).toBe(true);
    expect((await errorOf(client.getOperation('x'))).reason).toBe('upstream_message_too_large');
  });

  it('does not spend time on an answer made to be expensive', async () => {
    const emptyDetails = Buffer.alloc(2_000_000);
    for (let at = 0; at < emptyDetails.length; at += 2) emptyDetails.writeUInt16BE(0x1a00, at);
    const bombs = [
      lengthDelimited(8, emptyDetails),
      Buffer.concat(Array.from({ length: 20_000 }, () => lengthDelimited(8, Buffer.of(0x1a, 0)))),
      Buffer.concat(Array.from({ length: 300_000 }, () => Buffer.from('a00601', 'hex'))),
      lengthDelimited(
        9,
        Buffer.concat(Array.from({ length: 300_000 }, () => Buffer.from('a00601', 'hex'))),
      ),
    ];
    const client = open({ imageBytesMax: 16_777_216 });
    await expect.poll(() => client.ready).toBe(true);
    for (const bomb of bombs) {
      upstream.on('Get', raw.ok(Buffer.concat([Buffer.from('0a0178', 'hex'), bomb])));
      let stallMs = 0;
      let lastMs = performance.now();
      const watch = setInterval(() => {
        stallMs = Math.max(stallMs, performance.now() - lastMs);
        lastMs = performance.now();
      }, 1);
      const error = await errorOf(client.getOperation('x'));
      clearInterval(watch);
      expect(error.reason).toBe('bad_upstream_result');
      expect(stallMs).toBeLessThan(500);
    }
  });

  it('ends when its signal says so', async () => {
    upstream.on('Get', raw.hang);
    const abort = new AbortController();
    const error = errorOf(open().getOperation('x', { signal: abort.signal }));
    await expect.poll(() => upstream.calls.length).toBe(1);
    abort.abort();
    expect((await error).reason).toBe('draining');
  });

  it('goes on after the connection was cut', async () => {
    upstream.on('Get', raw.ok(accepted));
    const client = open();
    await client.getOperation('x');
    upstream.cut();
    await expect
      .poll(async () => (await client.getOperation('x').catch(() => undefined))?.id, {
        timeout: 5_000,
      })
      .toBe('upstream1');
  });
});

function lengthDelimited(field: number, payload: Uint8Array): Buffer {
  const head = [field * 8 + 2];
  let length = payload.length;
  while (length > 127) {
    head.push((length & 127) | 128);
    length >>>= 7;
  }
  return Buffer.concat([Buffer.from([...head, length]), payload]);
}

/** Accepts connections and never says a word. */
async function silentServer() {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    address: `http://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
