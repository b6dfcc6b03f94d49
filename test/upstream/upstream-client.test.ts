import { toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import * as raw from '../support/raw-responses.ts';
import { catRequest, failureOf, useRawUpstream } from '../support/upstream-client.ts';

const fixture = useRawUpstream();
const accepted = toBinary(OperationSchema, runningOperation('upstream1'));
const image = (imageBytes: number) =>
  toBinary(OperationSchema, succeededOperation('upstream1', Buffer.alloc(imageBytes)));

describe('a call', () => {
  it('sends the request unchanged, to the right path, with a fixed set of metadata', async () => {
    fixture.upstream.on('Generate', raw.ok(accepted));
    const client = fixture.open({ dataLogging: false, folderId: 'b1g' });
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect((await client.generate(catRequest(), { traceparent })).id).toBe('upstream1');
    const [call] = fixture.upstream.calls;
    expect(call?.path).toBe(
      '/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationAsyncService/Generate',
    );
    expect(call?.message.toString('hex')).toBe(
      '0a1b6172743a2f2f6231672f79616e6465782d6172742f6c6174657374120e0a0363617411000000000000f8bf' +
        '1a1b0a0a696d6167652f6a7065671080808080808080101a0408021001',
    );
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

  it.each([
    ['Get', '/yandex.cloud.operation.OperationService/Get'],
    ['Cancel', '/yandex.cloud.operation.OperationService/Cancel'],
  ] as const)('of %s names the operation to the right path', async (method, path) => {
    fixture.upstream.on(method, raw.ok(accepted));
    const client = fixture.open();
    if (method === 'Get') await client.getOperation('upstream1');
    else await client.cancelOperation('upstream1');
    expect(fixture.upstream.calls[0]?.path).toBe(path);
    expect(fixture.upstream.calls[0]?.message.toString('latin1')).toBe('\n\tupstream1');
  });

  it('carries no metadata beyond the configured, and a new id each time', async () => {
    fixture.upstream.on('Get', raw.ok(accepted));
    const client = fixture.open({ tokenSource: { authorization: async () => undefined } });
    await client.getOperation('x', { traceparent: 'a\nb' });
    await client.getOperation('x');
    const names = ['authorization', 'x-data-logging-enabled', 'x-folder-id', 'traceparent'];
    const sent = fixture.upstream.calls.map(({ headers }) => headers);
    expect(sent.flatMap((headers) => names.filter((name) => name in headers))).toEqual([]);
    expect(new Set(sent.map((headers) => headers['x-client-request-id'])).size).toBe(2);
  });
});

describe('closing', () => {
  it('ends reads at once, waits for a Generate, and refuses later calls', async () => {
    let respondNow: () => void = () => undefined;
    const { act } = raw.ok(accepted);
    fixture.upstream.on('Generate', {
      ...raw.hang,
      act: (stream, request) => (respondNow = () => act(stream, request)),
    });
    fixture.upstream.on('Get', raw.hang);
    const client = fixture.open();
    const generated = client.generate(catRequest());
    const read = failureOf(client.getOperation('x'));
    await expect.poll(() => fixture.upstream.calls.length).toBe(2);
    const closed = client.close(5_000);
    expect((await read).reason).toBe('draining');
    const late = await failureOf(client.generate(catRequest()));
    expect([late.reason, late.outcome]).toEqual(['upstream_unavailable', 'not_started']);
    respondNow();
    expect((await generated).id).toBe('upstream1');
    await closed;
    expect((await failureOf(client.getOperation('x'))).reason).toBe('upstream_unavailable');
    expect(fixture.upstream.calls.length).toBe(2);
  });

  it('ends a Generate too when the grace is over', async () => {
    const client = fixture.open({ generateTimeoutMs: 60_000 });
    const error = failureOf(client.generate(catRequest()));
    await expect.poll(() => fixture.upstream.calls.length).toBe(1);
    await client.close(50);
    expect([(await error).reason, (await error).outcome]).toEqual(['draining', 'unknown']);
  });
});

describe('the observer', () => {
  it('is notified of every call, with its end and the id that the upstream gave it', async () => {
    const ended: unknown[] = [];
    fixture.upstream.on('Generate', raw.ok(accepted));
    fixture.upstream.on('Get', raw.status(5));
    fixture.upstream.on('Cancel', raw.hang);
    const client = fixture.open({
      getTimeoutMs: 200,
      observer: { callEnded: (call) => ended.push(call) },
    });
    await client.generate(catRequest());
    await failureOf(client.getOperation('x'));
    await failureOf(client.cancelOperation('x'));
    const durationMs = expect.any(Number) as number;
    const requestId = raw.rawRequestId;
    expect(ended).toEqual([
      { method: 'Generate', code: 'OK', durationMs, requestId },
      { method: 'Get', code: 'NOT_FOUND', durationMs, requestId },
      { method: 'Cancel', code: 'DEADLINE_EXCEEDED', durationMs },
    ]);
  });
});

describe('reading an operation', () => {
  it('has its own reason for an unknown one', async () => {
    fixture.upstream.on('Get', raw.status(5, 'not found'));
    expect((await failureOf(fixture.open().getOperation('x'))).reason).toBe('operation_not_found');
    fixture.upstream.on('Cancel', raw.status(5, 'not found'));
    expect((await failureOf(fixture.open().cancelOperation('x'))).reason).toBe(
      'operation_not_found',
    );
  });

  it('accepts an image up to the limit and refuses a larger one for good', async () => {
    fixture.upstream.on('Get', raw.ok(image(1_000_000)), raw.ok(image(2_200_000)));
    const client = fixture.open();
    expect((await client.getOperation('x')).done).toBe(true);
    expect((await failureOf(client.getOperation('x'))).reason).toBe('upstream_message_too_large');
  });

  it('ends when its signal aborts', async () => {
    fixture.upstream.on('Get', raw.hang);
    const abort = new AbortController();
    const error = failureOf(fixture.open().getOperation('x', { signal: abort.signal }));
    await expect.poll(() => fixture.upstream.calls.length).toBe(1);
    abort.abort();
    expect((await error).reason).toBe('draining');
  });

  it('works again after the connection was cut', async () => {
    fixture.upstream.on('Get', raw.ok(accepted));
    const client = fixture.open();
    await client.getOperation('x');
    fixture.upstream.cut();
    await expect
      .poll(async () => (await client.getOperation('x').catch(() => undefined))?.id, {
        timeout: 5_000,
      })
      .toBe('upstream1');
  });
});
