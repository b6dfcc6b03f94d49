import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { rpcErrorDetail } from '../../src/rpc/rpc-error.ts';
import { RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import {
  cancel,
  generate,
  get,
  imageRequest,
  imageOf,
  rpcErrorOf,
  start,
} from './emulator-client.ts';

describe('an injected fault', () => {
  it('is used by one call', async () => {
    const { emulator, grpc } = await start();
    const { id } = await grpc.call(generate, imageRequest('a cat'));
    emulator.faults.inject(
      'Get',
      { kind: 'status', code: 14, message: 'gone' },
      { kind: 'error', code: 13, message: 'broken', done: false },
      { kind: 'bytes', bytes: Buffer.from('hello') },
      { kind: 'type', typeUrl: 'x/other.Type' },
    );
    expect((await rpcErrorOf(grpc.call(get, { operationId: id }))).code).toBe(14);
    expect(await grpc.call(get, { operationId: id })).toMatchObject({
      done: false,
      result: { case: 'error' },
    });
    expect(Buffer.from(imageOf(await grpc.call(get, { operationId: id })).image).toString()).toBe(
      'hello',
    );
    expect(await grpc.call(get, { operationId: id })).toMatchObject({
      result: { value: { typeUrl: 'x/other.Type' } },
    });
    expect(imageOf(await grpc.call(get, { operationId: id })).image.length).toBeGreaterThan(1_000);
  });

  it('can lose the response to a Generate that was billed', async () => {
    const { emulator, grpc } = await start();
    const fault = { kind: 'status', code: 14, message: 'gone' } as const;
    emulator.faults.inject('Generate', fault, { ...fault, afterwards: true });
    expect((await rpcErrorOf(grpc.call(generate, imageRequest('a')))).code).toBe(14);
    expect(emulator.ledger.generates).toBe(0);
    expect((await rpcErrorOf(grpc.call(generate, imageRequest('a')))).code).toBe(14);
    expect(emulator.ledger.generates).toBe(1);
  });

  it('can return the image as base64 text', async () => {
    const { emulator, grpc } = await start();
    const { id } = await grpc.call(generate, imageRequest('a cat'));
    const { image } = imageOf(await grpc.call(get, { operationId: id }));
    emulator.faults.inject('Get', { kind: 'base64' });
    const text = imageOf(await grpc.call(get, { operationId: id })).image;
    expect(Buffer.from(text).toString('latin1')).toBe(Buffer.from(image).toString('base64'));
  });

  it('can have typed details, or be a delay', async () => {
    const { emulator, grpc } = await start();
    emulator.faults.inject(
      'Cancel',
      {
        kind: 'status',
        code: 8,
        message: 'later',
        details: [
          rpcErrorDetail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: 5n } })),
        ],
      },
      { kind: 'delay', delayMs: 60 },
    );
    const { typed } = await rpcErrorOf(grpc.call(cancel, { operationId: 'x' }));
    const retry = typed[0] === undefined ? undefined : anyUnpack(typed[0], RetryInfoSchema);
    expect(retry?.retryDelay?.seconds).toBe(5n);
    const startMs = performance.now();
    await rpcErrorOf(grpc.call(cancel, { operationId: 'x' }));
    expect(performance.now() - startMs).toBeGreaterThan(55);
  });
});
