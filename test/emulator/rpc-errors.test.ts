import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { BadRequestSchema, RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { generate, get, imageRequest, rpcErrorOf, start } from './emulator-client.ts';

describe('an rpc error', () => {
  it.each([
    [imageRequest('a'.repeat(702)), 3, 'Prompt positive size 702 exceeds limit (500)'],
    [imageRequest(''), 3, 'Prompt is empty'],
    [imageRequest('something forbidden'), 3, /may violate the terms of use/],
    [
      { ...imageRequest('a'), modelUri: 'art://folder/other/latest' },
      7,
      /Access to model art:\/\/.* denied/,
    ],
    [{ ...imageRequest('a'), modelUri: 'https://x' }, 3, /Model URI/],
    [imageRequest('a', { seed: -1n }), 3, /Seed/],
    [imageRequest('a', { mimeType: 'image/tiff' }), 3, /Mime type/],
    [imageRequest('a', { aspectRatio: { widthRatio: 100n, heightRatio: 1n } }), 3, /Aspect ratio/],
    [imageRequest('a', { aspectRatio: { widthRatio: -1n, heightRatio: 1n } }), 3, /Aspect ratio/],
    [imageRequest('a', { aspectRatio: { widthRatio: 1n, heightRatio: 0n } }), 3, /Aspect ratio/],
  ])('for %o has the code %i, and the call costs nothing', async (request, code, details) => {
    const { emulator, grpc } = await start();
    const error = await rpcErrorOf(grpc.call(generate, request));
    expect(error.code).toBe(code);
    expect(error.details).toMatch(details);
    expect(emulator.ledger.generates).toBe(0);
    expect(error.metadata.get('x-request-id')).toHaveLength(1);
    expect(error.metadata.get('x-server-trace-id')).toHaveLength(1);
  });

  it('names the wrong field', async () => {
    const { grpc } = await start();
    const { typed } = await rpcErrorOf(grpc.call(generate, imageRequest('a', { seed: -1n })));
    const violations = typed[0] === undefined ? undefined : anyUnpack(typed[0], BadRequestSchema);
    expect(violations?.fieldViolations[0]?.field).toBe('generation_options.seed');
  });

  it('is returned for a folder of another account', async () => {
    const { grpc } = await start({ folders: ['own'] });
    const { details } = await rpcErrorOf(grpc.call(generate, imageRequest('a')));
    expect(details).toBe(
      "Specified folder ID 'folder' does not match with service account folder ID 'own'",
    );
  });

  it.each([
    ['forbidden later', 3, /terms of use/],
    ['a broken machine', 13, /generation failed/],
  ])('can be the result of the operation: %s', async (text, code, message) => {
    const { grpc } = await start();
    const { id } = await grpc.call(generate, imageRequest(text));
    const { done, result } = await grpc.call(get, { operationId: id });
    expect([done, result.case, (result.value as { code: number }).code]).toEqual([
      true,
      'error',
      code,
    ]);
    expect((result.value as { message: string }).message).toMatch(message);
  });

  it.each([
    ['generationsPerMinuteMax', () => imageRequest('a')],
    ['generationsPerDayMax', () => imageRequest('a')],
  ])('is returned when %s is used up, with the time of the next attempt', async (name, request) => {
    const { emulator, grpc } = await start({ [name]: 2, nowMs: () => 1_800_000_000_000 });
    await grpc.call(generate, request());
    await grpc.call(generate, request());
    const { code, typed } = await rpcErrorOf(grpc.call(generate, request()));
    expect(code).toBe(8);
    const retry = typed
      .map((any) => anyUnpack(any, RetryInfoSchema))
      .find((found) => found !== undefined);
    expect(Number(retry?.retryDelay?.seconds)).toBeGreaterThan(0);
    expect(emulator.ledger.generates).toBe(2);
  });

  it('is returned for more result reads than the quota', async () => {
    const { grpc } = await start({ resultReadsPerSecondMax: 3, nowMs: () => 1_800_000_000_000 });
    const { id } = await grpc.call(generate, imageRequest('a'));
    for (let read = 0; read < 3; read += 1) await grpc.call(get, { operationId: id });
    expect((await rpcErrorOf(grpc.call(get, { operationId: id }))).code).toBe(8);
  });

  it('counts the texts of all messages except the negative ones', async () => {
    const { grpc } = await start({ promptCharactersMax: 4 });
    const messages = (...weights: readonly number[]) => ({
      ...imageRequest(''),
      messages: weights.map((weight) => ({ text: 'я😀', weight })),
    });
    expect((await grpc.call(generate, messages(1, 0.5, -1))).id).toHaveLength(20);
    expect((await grpc.call(generate, messages(0, 1))).id).toHaveLength(20);
    expect((await rpcErrorOf(grpc.call(generate, messages(1, 2, 0)))).details).toBe(
      'Prompt positive size 6 exceeds limit (4)',
    );
    expect((await rpcErrorOf(grpc.call(generate, messages(-1, -2)))).details).toBe(
      'Prompt is empty',
    );
    expect((await rpcErrorOf(grpc.call(generate, messages(1, Number.NaN)))).code).toBe(3);
  });

  it('is no longer returned when the window of a quota is over', async () => {
    let nowMs = 1_800_000_000_000;
    const { grpc } = await start({ generationsPerMinuteMax: 1, nowMs: () => nowMs });
    await grpc.call(generate, imageRequest('a'));
    nowMs += 59_999;
    expect((await rpcErrorOf(grpc.call(generate, imageRequest('a')))).code).toBe(8);
    nowMs += 1;
    expect((await grpc.call(generate, imageRequest('a'))).id).toHaveLength(20);
  });
});
