import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbOperationStore } from '../../src/service/lmdb-operation-store.ts';
import {
  acceptedRecord,
  dispatch,
  fail,
  recordSchema,
  requeue,
  store as storeImage,
  succeed,
} from '../../src/service/operation-record.ts';
import type { OperationStore } from '../../src/service/operation-store.ts';

let directory = '';
let store: OperationStore;
let id = 0;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'operations-'));
  store = await openLmdbOperationStore(directory);
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

const plan = {
  ...{ model: 'any', prompt: 'a cat', negativePrompts: [], seed: '9007199254740993' },
  ...{ width: 8, height: 8, mediaType: 'image/png' },
};
const record = (owner = '', nowMs = 1_000) =>
  acceptedRecord({ id: `op${(id += 1)}`, owner, plan }, { nowMs, delayMs: 0, deadlineMs: 10_000 });
const room = { queuedMax: 10 };

describe('the operations of a machine', () => {
  it('are there again when the files are opened again, under the same store id', async () => {
    const kept = record();
    await store.insert(kept, room);
    const { id: storeId } = store;
    await store.close();
    store = await openLmdbOperationStore(directory);
    expect(store.get(kept.id)).toStrictEqual(kept);
    expect(store.unfinished()).toStrictEqual([kept]);
    expect(store.id).toBe(storeId);
  });

  it('are not opened by a program that knows an earlier version of them', async () => {
    await store.close();
    const writeSchema = async (schema: number) => {
      const root = open({ path: directory, noSubdir: false, maxDbs: 8 });
      await root.openDB({ name: 'meta', encoding: 'json' }).put('schema', schema);
      await root.close();
    };
    await writeSchema(recordSchema + 1);
    await expect(openLmdbOperationStore(directory)).rejects.toThrow(/newer version/);
    await writeSchema(1);
    store = await openLmdbOperationStore(directory);
  });

  it('change only as their state allows', async () => {
    const queued = record();
    await store.insert(queued, room);
    const dispatched = await store.change(queued.id, dispatch(2_000, 'local'), undefined);
    expect(dispatched).toMatchObject({ state: 'dispatched', fence: 1, attempts: 1 });
    expect(await store.change(queued.id, dispatch(3_000, 'local'), undefined)).toBeUndefined();
    expect(await store.change('unknown', dispatch(3_000, 'local'), undefined)).toBeUndefined();
    const late = { fence: 7, byteLength: 1, sha256: 'x' };
    expect(await store.change(queued.id, storeImage(late, 3_000), undefined)).toBeUndefined();
    await store.change(queued.id, storeImage({ ...late, fence: 1 }, 3_000), undefined);
    const end = { nowMs: 4_000, keepsPlan: false };
    const done = await store.change(queued.id, succeed(end), undefined);
    // The prompt leaves with the end.
    expect(JSON.stringify(done)).not.toContain('a cat');
    expect(store.unfinished()).toStrictEqual([]);
    expect([...store.ended(4_001)]).toStrictEqual([done]);
    expect([...store.ended(4_000)]).toStrictEqual([]);
    await store.remove([queued.id]);
    expect(store.get(queued.id)).toBeUndefined();
  });

  it('are never removed before they have ended', async () => {
    const queued = record();
    await store.insert(queued, room);
    await store.remove([queued.id]);
    expect(store.get(queued.id)).toStrictEqual(queued);
  });

  it('that ended with the loss of their image are counted for good, each once', async () => {
    const lost = { code: 10, message: 'lost', reason: 'OUTCOME_UNKNOWN', lossCause: 'crash' };
    for (const nowMs of [2_000, 3_000]) {
      const queued = record();
      await store.insert(queued, room);
      await store.change(queued.id, dispatch(1_500, 'openai'), undefined);
      await store.change(queued.id, fail(lost, nowMs, 1), undefined);
      expect(await store.change(queued.id, fail(lost, 9_000, 1), undefined)).toBeUndefined();
      await store.remove([queued.id]);
    }
    await store.close();
    store = await openLmdbOperationStore(directory);
    expect(store.lost).toStrictEqual({ crash: { count: 2, lastAtMs: 3_000 } });
  });

  it('fill the queue to its bound, counted over restarts', async () => {
    for (let count = 0; count < 10; count += 1) {
      expect(await store.insert(record(), room)).toBe('inserted');
    }
    expect(await store.insert(record(), room)).toBe('queue_full');
    await store.close();
    store = await openLmdbOperationStore(directory);
    expect(store.counts).toStrictEqual({ queued: 10, unfinished: 10, ended: 0 });
    const [first] = store.unfinished();
    await store.change(first?.id ?? '', fail({ code: 1, message: 'cancelled' }, 2_000), undefined);
    expect(await store.insert(record(), room)).toBe('inserted');
  });

  it('of one owner leave another owner its share of the queue', async () => {
    for (let count = 0; count < 5; count += 1) await store.insert(record('greedy'), room);
    expect(await store.insert(record('modest'), room)).toBe('inserted');
    expect(await store.insert(record('greedy'), room)).toBe('share_full');
    for (let count = 0; count < 4; count += 1) {
      expect(await store.insert(record('modest'), room)).toBe('inserted');
    }
    expect(await store.insert(record('modest'), room)).toBe('queue_full');
  });
});

describe('the keys of a store', () => {
  const key = { hash: 'one', fingerprint: 'f' };

  it('are written with their operation, or not at all', async () => {
    const kept = record();
    expect(await store.insert(kept, { queuedMax: 1 }, key)).toBe('inserted');
    expect(await store.insert(record(), { queuedMax: 1 }, { ...key, hash: 'two' })).toBe(
      'queue_full',
    );
    expect(store.keyRow('one')).toStrictEqual({
      ...{ operationId: kept.id, fingerprint: 'f', atMs: 1_000 },
    });
    expect(store.keyRow('two')).toBeUndefined();
  });

  it('that are known let nothing further in, be it accepted or settled', async () => {
    const kept = record();
    await store.insert(kept, room, key);
    const known = { operationId: kept.id, fingerprint: 'f', atMs: 1_000 };
    expect(await store.insert(record(), room, key)).toStrictEqual(known);
    expect(await store.settleKey('one', 2_000)).toStrictEqual(known);
    const settled = { fingerprint: '', atMs: 2_000 };
    expect(await store.settleKey('two', 2_000)).toStrictEqual(settled);
    expect(await store.insert(record(), room, { ...key, hash: 'two' })).toStrictEqual(settled);
    expect(store.counts.unfinished).toBe(1);
  });

  it('are forgotten oldest first', async () => {
    await store.settleKey('one', 1_000);
    await store.settleKey('two', 2_000);
    await store.settleKey('three', 3_000);
    expect(await store.removeKeys(3_000, 1)).toBe(1);
    expect(store.keyRow('one')).toBeUndefined();
    expect(await store.removeKeys(3_000, 10)).toBe(1);
    expect(store.keyRow('three')).toBeDefined();
  });
});

it('the images of a day are counted with the dispatch, up to a number, and over restarts', async () => {
  const spent = { backend: 'b', day: '2026-11-28', by: 1, max: 1 } as const;
  const [first, second] = [record(), record()];
  for (const each of [first, second]) await store.insert(each, room);
  const dispatched = await store.change(
    first.id,
    dispatch(2_000, 'b', spent.day),
    undefined,
    spent,
  );
  expect(dispatched?.spentDay).toBe(spent.day);
  await store.close();
  store = await openLmdbOperationStore(directory);
  expect(store.spentOn('b', spent.day)).toBe(1);
  expect(await store.change(second.id, dispatch(2_000, 'b'), undefined, spent)).toBeUndefined();
  expect(store.get(second.id)?.state).toBe('queued');
  const back = { ...spent, by: -1 } as const;
  const queued = requeue(1, { nowMs: 3_000, dueAtMs: 3_000, givesBack: true });
  // Refused, it counts nothing; written, it gives back.
  expect(await store.change(second.id, queued, undefined, back)).toBeUndefined();
  await store.change(first.id, queued, undefined, back);
  expect(store.spentOn('b', spent.day)).toBe(0);
  // Another day and another backend have their own.
  const next = { ...spent, day: '2026-12-30' };
  for (const each of [spent, next]) {
    await store.change(second.id, (same) => ({ ...same }), undefined, each);
  }
  // What is older than a week is forgotten.
  expect([store.spentOn('b', spent.day), store.spentOn('b', next.day)]).toStrictEqual([0, 1]);
});

describe('the ownership of a store', () => {
  const owner = { processName: 'machine', pid: 1, heartbeatMs: 100 };

  it('is of one process at a time, and ends for the last one when another takes over', async () => {
    const first = await store.takeOwnership(owner, () => false);
    expect(first).toBe(1);
    expect(await store.takeOwnership(owner, () => false)).toBeUndefined();
    const queued = record();
    await store.insert(queued, room);
    expect(await store.takeOwnership({ ...owner, pid: 2 }, () => true)).toBe(2);
    expect(await store.heartbeat(1, 200)).toBe(false);
    expect(await store.change(queued.id, dispatch(2_000, 'local'), 1)).toBeUndefined();
    expect(await store.change(queued.id, dispatch(2_000, 'local'), 2)).toMatchObject({ fence: 1 });
  });

  it('can be taken at once after it was given up', async () => {
    await store.takeOwnership(owner, () => false);
    await store.giveUpOwnership(1);
    const isOver = ({ heartbeatMs, processName }: { heartbeatMs: number; processName: string }) =>
      processName === '' && heartbeatMs > 1_000_000;
    expect(await store.takeOwnership(owner, isOver)).toBe(2);
  });
});
