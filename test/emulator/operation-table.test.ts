import { describe, expect, it } from 'vitest';
import { OperationTable } from '../../src/emulator/operation-table.ts';
import {
  cancel,
  generate,
  get,
  imageRequest,
  imageOf,
  rpcErrorOf,
  start,
} from './emulator-client.ts';

describe('an operation', () => {
  it('starts with an id like the vendor’s and nothing else, and ends with an image', async () => {
    const { emulator, grpc } = await start({ latencyMs: 100, latencySpreadRatio: 0 });
    const first = await grpc.call(generate, imageRequest('a red cat'));
    expect(first).toMatchObject({ done: false, result: { case: undefined } });
    expect(first.id).toMatch(/^[a-z0-9]{20}$/);
    expect(first.createdAt).toBeUndefined();
    expect(await grpc.call(get, { operationId: first.id })).toMatchObject({ done: false });
    await expect
      .poll(async () => (await grpc.call(get, { operationId: first.id })).done)
      .toBe(true);
    const response = imageOf(await grpc.call(get, { operationId: first.id }));
    expect(response.modelVersion).toMatch(/local drawing, no model/);
    expect(emulator.ledger.generates).toBe(1);
  });

  it('can be cancelled while it runs, and not afterwards', async () => {
    const { grpc } = await start({ latencyMs: 60_000 });
    const { id } = await grpc.call(generate, imageRequest('a cat'));
    const cancelled = { done: true, result: { case: 'error', value: { code: 1 } } };
    expect(await grpc.call(cancel, { operationId: id })).toMatchObject(cancelled);
    expect(await grpc.call(get, { operationId: id })).toMatchObject(cancelled);
    const quick = await start();
    const done = await quick.grpc.call(generate, imageRequest('a cat'));
    expect((await quick.grpc.call(cancel, { operationId: done.id })).result.case).toBe('response');
  });

  it('is deleted after the retention, and unknown ids are not found', async () => {
    let nowMs = 1_800_000_000_000;
    const { grpc } = await start({ nowMs: () => nowMs });
    const { id } = await grpc.call(generate, imageRequest('a cat'));
    nowMs += 3 * 86_400_000 - 1;
    expect((await grpc.call(get, { operationId: id })).done).toBe(true);
    nowMs += 1;
    expect((await rpcErrorOf(grpc.call(get, { operationId: id }))).code).toBe(5);
    expect((await rpcErrorOf(grpc.call(get, { operationId: 'nonsense' }))).code).toBe(5);
  });

  it('has times when the option is set', async () => {
    const { grpc } = await start({ operationTimes: true });
    const { id } = await grpc.call(generate, imageRequest('a cat'));
    const operation = await grpc.call(get, { operationId: id });
    expect(Number(operation.createdAt?.seconds)).toBeGreaterThan(1_700_000_000);
    expect(operation.modifiedAt).toBeDefined();
  });
  it('takes as long as the latency and its spread say', async () => {
    let nowMs = 1_800_000_000_000;
    const options = { latencyMs: 1_000, latencySpreadRatio: 0.5, nowMs: () => nowMs };
    const slowest = await start({ ...options, random: () => 0.999_999 });
    const fastest = await start({ ...options, random: () => 0 });
    const slow = await slowest.grpc.call(generate, imageRequest('a'));
    const fast = await fastest.grpc.call(generate, imageRequest('a'));
    const doneAfter = async (elapsedMs: number) => {
      nowMs = 1_800_000_000_000 + elapsedMs;
      const slowNow = await slowest.grpc.call(get, { operationId: slow.id });
      const fastNow = await fastest.grpc.call(get, { operationId: fast.id });
      return [fastNow.done, slowNow.done];
    };
    expect(await doneAfter(499)).toEqual([false, false]);
    expect(await doneAfter(500)).toEqual([true, false]);
    expect(await doneAfter(1_499)).toEqual([true, false]);
    expect(await doneAfter(1_500)).toEqual([true, true]);
  });
});

describe('the ledger', () => {
  it('counts what is paid for, and shows a Generate that was repeated', async () => {
    const { emulator, grpc } = await start();
    const headers = { 'x-client-request-id': 'request-1' };
    const first = await grpc.call(generate, imageRequest('a cat'), headers);
    const second = await grpc.call(generate, imageRequest('a cat'), headers);
    await grpc.call(generate, imageRequest('a cat'));
    await rpcErrorOf(grpc.call(generate, imageRequest('forbidden'), headers));
    await grpc.call(get, { operationId: first.id });
    await rpcErrorOf(grpc.call(get, { operationId: 'nonsense' }));
    await grpc.call(cancel, { operationId: first.id });
    expect(emulator.ledger).toMatchObject({ generates: 3, gets: 2, cancels: 1 });
    expect(emulator.ledger.operationIds.get('request-1')).toEqual([first.id, second.id]);
    expect(emulator.ledger.requestIds.get(second.id)).toBe('request-1');
  });
});

/** A table whose renderer draws images of 100 bytes. */
function openTable(imageBytesMax: number) {
  const drawn: string[] = [];
  const prioritized: string[] = [];
  const failures: Error[] = [];
  const operations = new OperationTable({
    retentionMs: 1_000,
    imageBytesMax,
    operationTimes: false,
    renderer: {
      // So many that none is started before it is read.
      waitingCount: 100,
      close: () => Promise.resolve(),
      draw({ prompt }) {
        drawn.push(prompt);
        const failure = failures.shift();
        const image =
          failure === undefined ? Promise.resolve(Buffer.alloc(100)) : Promise.reject(failure);
        return { image, prioritize: () => prioritized.push(prompt) };
      },
    },
  });
  const accept = (name: string, nowMs = 0) => {
    const drawing = { prompt: name, negative: '', seed: 1n, width: 8, height: 8 };
    const accepted = { ending: 'image', mediaType: 'image/png', drawing } as const;
    operations.accept(name, accepted, { nowMs, latencyMs: 0 });
  };
  return { operations, drawn, prioritized, failures, accept };
}

describe('the images of the table', () => {
  it('are kept up to a limit of bytes, the last read longest, and otherwise drawn again', async () => {
    const { operations, drawn, accept } = openTable(250);
    for (const name of ['a', 'b', 'c']) accept(name);
    for (const name of ['a', 'b', 'a', 'c', 'a', 'c', 'b']) await operations.get(name, 0);
    expect(drawn).toEqual(['a', 'b', 'c', 'b']);
  });

  it('leave memory when their operations are deleted', async () => {
    const { operations, drawn, accept } = openTable(250);
    accept('old', 0);
    accept('a', 500);
    for (const name of ['old', 'a', 'old']) await operations.get(name, 999);
    accept('b', 1_000);
    for (const name of ['b', 'a']) await operations.get(name, 1_000);
    expect(drawn).toEqual(['old', 'a', 'b']);
  });

  it('are drawn once for many readers, with priority', async () => {
    const { operations, drawn, prioritized, accept } = openTable(250);
    accept('a');
    await Promise.all([operations.get('a', 0), operations.get('a', 0), operations.get('a', 0)]);
    expect(drawn).toEqual(['a']);
    expect(prioritized).toContain('a');
  });

  it('are tried again after a drawing that failed', async () => {
    const { operations, drawn, failures, accept } = openTable(250);
    accept('a');
    failures.push(new Error('broken'));
    await expect(operations.get('a', 0)).rejects.toThrow('broken');
    expect((await operations.get('a', 0)).result.case).toBe('response');
    expect(drawn).toEqual(['a', 'a']);
  });
});
