import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { guardedUpstream } from '../../src/operations/breaker/guarded-upstream.ts';
import { openOperationIds } from '../../src/operations/operation-id.ts';
import { Operations, type OperationsOptions } from '../../src/operations/operations.ts';
import { ImageMemory } from '../../src/operations/result/image-memory.ts';
import { PollSchedule } from '../../src/operations/poll/poll-schedule.ts';
import { ReadRateLimiter } from '../../src/operations/poll/read-rate-limiter.ts';
import { ReadQueue } from '../../src/operations/poll/read-queue.ts';
import { ResultCache } from '../../src/operations/result/result-cache.ts';
import type { OperationSnapshot } from '../../src/operations/result/snapshot.ts';
import {
  FakeUpstream,
  failedOperation,
  succeededOperation,
  tinyPng,
} from '../support/fake-upstream.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const request = create(ImageGenerationRequestSchema, { generationOptions: { seed: 42n } });
const caller = { tenant: '' };
const ids = openOperationIds({ current: Buffer.alloc(32, 1) });

let clock: VirtualClock;
let upstream: FakeUpstream;

beforeEach(() => {
  clock = new VirtualClock();
  upstream = new FakeUpstream(clock, { latencyMs: 3_000 });
});

function openOperations(changes: Partial<OperationsOptions> = {}): Operations {
  const results = changes.results ?? new ResultCache({ bytesMax: 1_000_000 });
  const random = seededRandom(1);
  const limiter = new ReadRateLimiter({ perSecond: 40, burst: 8 });
  return new Operations({
    upstream: guardedUpstream(upstream, { clock, random }),
    clock,
    ids,
    schedule: new PollSchedule({ random }),
    readRateLimiter: limiter,
    readQueue: new ReadQueue({ clock, limiter }),
    results,
    memory: new ImageMemory({ clock, bytesMax: 10_000_000, cache: results }),
    imageBytesMax: 1_000_000,
    trackedMax: 1_000,
    ...changes,
  });
}

/** A promise beside what became of it so far. */
function watched<T>(promise: Promise<T>) {
  const outcome: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error),
  );
  return outcome;
}

async function get(operations: Operations, id: string) {
  const outcome = watched(operations.get(id, caller));
  await clock.advance(100);
  return outcome;
}

const statusOf = (outcome: { value?: OperationSnapshot }) => outcome.value?.state.status;
const reasonOf = (outcome: { error?: unknown }) =>
  (outcome.error as GatewayError | undefined)?.reason;

describe('waiting', () => {
  it('makes one poller for many waiters, and wakes them all', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiters = Array.from({ length: 1_000 }, () =>
      watched(operations.wait(id, { ...caller, waitMs: 60_000 })),
    );
    await clock.advance(10_000);
    expect(waiters.filter((waiter) => statusOf(waiter) === 'succeeded')).toHaveLength(1_000);
    expect(upstream.getsAtOnceMax).toBe(1);
    expect(upstream.counts.get).toBeLessThanOrEqual(4);
  });

  it('stops polling when the last waiter leaves, and leaves no timer behind', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const leaving = [new AbortController(), new AbortController()];
    const waiters = leaving.map(({ signal }) =>
      watched(operations.wait(id, { ...caller, waitMs: 60_000, signal })),
    );
    leaving[0]?.abort();
    await clock.advance(1_200);
    const polled = upstream.counts.get;
    expect(polled).toBeGreaterThanOrEqual(1);
    leaving[1]?.abort();
    await clock.advance(60_000);
    expect(upstream.counts.get).toBe(polled);
    expect(waiters.map(statusOf)).toEqual(['running', 'running']);
    expect(clock.pending).toBe(0);
  });

  it('returns the running operation when the wait is over', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 500 }));
    await clock.advance(499);
    expect(statusOf(waiter)).toBeUndefined();
    await clock.advance(1);
    expect(statusOf(waiter)).toBe('running');
  });

  it('ends every wait when the gateway stops', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    operations.close();
    await clock.advance(0);
    expect(statusOf(waiter)).toBe('running');
  });

  it('learns how long operations take', async () => {
    const operations = openOperations();
    for (let count = 0; count < 60; count += 1) {
      const { id } = await operations.start(request, caller);
      watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
      await clock.advance(10_000);
    }
    const { id } = await operations.start(request, caller);
    const before = upstream.counts.get;
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await clock.advance(3_300);
    expect(statusOf(waiter)).toBe('succeeded');
    expect(upstream.counts.get - before).toBeLessThanOrEqual(4);
  });

  it('keeps 10,000 waiters on 500 operations within 40 reads a second, and wakes each within 2 s', async () => {
    upstream = new FakeUpstream(clock, { latencyMs: 20_000 });
    const operations = openOperations();
    const started: string[] = [];
    for (let count = 0; count < 500; count += 1) {
      started.push((await operations.start(request, caller)).id);
    }
    const waiters = started.flatMap((id) =>
      Array.from({ length: 20 }, () => watched(operations.wait(id, { ...caller, waitMs: 60_000 }))),
    );
    const perSecond: number[] = [];
    for (let second = 0; second < 60; second += 1) {
      const before = upstream.counts.get;
      await clock.advance(1_000);
      perSecond.push(upstream.counts.get - before);
    }
    expect(Math.max(...perSecond)).toBeLessThanOrEqual(48);
    expect(waiters.every((waiter) => statusOf(waiter) === 'succeeded')).toBe(true);
  }, 30_000);
});

describe('reading', () => {
  it('asks the upstream only when a poll is due, once for all who ask', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    for (let time = 0; time < 5; time += 1)
      expect(statusOf(await get(operations, id))).toBe('running');
    expect(upstream.counts.get).toBe(0);
    await clock.advance(3_000);
    const readers = Array.from({ length: 20 }, () => watched(operations.get(id, caller)));
    await clock.advance(100);
    expect(readers.map(statusOf)).toEqual(Array.from({ length: 20 }, () => 'succeeded'));
    expect(upstream.counts.get).toBe(1);
  });

  it('never asks about a finished operation again', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    await clock.advance(3_500);
    await get(operations, id);
    for (let time = 0; time < 20; time += 1) {
      await clock.advance(5_000);
      expect(statusOf(await get(operations, id))).toBe('succeeded');
      expect((await operations.image(id, caller)).bytes.byteLength).toBe(tinyPng.byteLength);
    }
    expect(upstream.counts.get).toBe(1);
  });

  it('finds an operation of an earlier process by its id, with its seed', async () => {
    const { id } = await openOperations().start(request, caller);
    await clock.advance(5_000);
    const found = await get(openOperations(), id);
    expect(statusOf(found)).toBe('succeeded');
    expect(found.value?.seed).toBe(42n);
  });

  it('reads an image again, once for all who want it, when it was not kept', async () => {
    const operations = openOperations({ results: new ResultCache({ bytesMax: 0 }) });
    const { id } = await operations.start(request, caller);
    await clock.advance(3_500);
    await get(operations, id);
    const readers = Array.from({ length: 10 }, () => watched(operations.image(id, caller)));
    await clock.advance(100);
    expect(readers.every(({ value }) => value?.bytes.byteLength === tinyPng.byteLength)).toBe(true);
    expect(upstream.counts.get).toBe(2);
  });

  it('does not find an operation for another tenant, even when it is remembered', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, { tenant: 'a' });
    const outcome = watched(operations.get(id, { tenant: 'b' }));
    await clock.advance(10);
    expect(reasonOf(outcome)).toBe('operation_not_found');
    expect(upstream.counts.get).toBe(0);
  });

  it('forgets the operations used longest ago, but none that a caller waits for', async () => {
    const operations = openOperations({ trackedMax: 3 });
    const first = await operations.start(request, caller);
    const waiter = watched(operations.wait(first.id, { ...caller, waitMs: 60_000 }));
    for (let count = 0; count < 10; count += 1) await operations.start(request, caller);
    await clock.advance(5_000);
    expect(statusOf(waiter)).toBe('succeeded');
  });
});

describe('an image that is not kept', () => {
  it('joins the poll that is under way', async () => {
    const operations = openOperations({ results: new ResultCache({ bytesMax: 0 }) });
    const { id } = await operations.start(request, caller);
    watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    for (let ms = 0; ms < 20_000 && upstream.counts.get === 0; ms += 1) await clock.advance(1);
    watched(operations.image(id, caller));
    await clock.advance(3);
    expect([upstream.counts.get, upstream.getsAtOnceMax]).toEqual([1, 1]);
  });

  it('is read once for all who want it while reads wait in line', async () => {
    const operations = openOperations({ results: new ResultCache({ bytesMax: 0 }) });
    const { id } = await operations.start(request, caller);
    watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await clock.advance(10_000);
    const others = await Promise.all(
      Array.from({ length: 20 }, () => operations.start(request, caller)),
    );
    const before = upstream.counts.get;
    for (const other of others) watched(operations.image(other.id, caller));
    const wanted = Array.from({ length: 50 }, () => watched(operations.image(id, caller)));
    await clock.advance(5_000);
    expect(new Set(wanted.map(({ value }) => value?.bytes.length))).toEqual(
      new Set([tinyPng.length]),
    );
    expect(upstream.counts.get - before).toBeLessThanOrEqual(20 + 20 + 1);
  });
});

describe('trouble with the upstream', () => {
  const unavailable = new GatewayError('upstream_unavailable', 'down', { retryAfterS: 1 });

  it('serves the last known state while polls fail, and goes on polling', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    upstream.nextGets.push(unavailable, unavailable);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await clock.advance(1_500);
    expect(statusOf(await get(operations, id))).toBe('running');
    await clock.advance(10_000);
    expect(statusOf(waiter)).toBe('succeeded');
  });

  it('throws the error where nothing is known yet', async () => {
    const { id } = await openOperations().start(request, caller);
    upstream.nextGets.push(unavailable);
    expect(reasonOf(await get(openOperations(), id))).toBe('upstream_unavailable');
  });

  it('throws at once when the gateway itself is refused', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    await clock.advance(2_000);
    upstream.nextGets.push(new GatewayError('upstream_auth', 'refused'));
    expect(reasonOf(await get(operations, id))).toBe('upstream_auth');
  });

  it('asks a dead upstream once in a while for all, and wakes all callers soon after it works again', async () => {
    const operations = openOperations();
    const started = await Promise.all(
      Array.from({ length: 100 }, () => operations.start(request, caller)),
    );
    upstream.isDead = true;
    const waiters = started.map(({ id }) =>
      watched(operations.wait(id, { ...caller, waitMs: 120_000 })),
    );
    await clock.advance(60_000);
    // The breaker closes the way after five, and then tries it every 3 s.
    expect(upstream.counts.get).toBeLessThanOrEqual(60);
    upstream.isDead = false;
    await clock.advance(7_000);
    expect(new Set(waiters.map(statusOf))).toEqual(new Set(['succeeded']));
  });

  it('sends no create to an upstream that is known to be dead, and one half-open', async () => {
    const operations = openOperations();
    upstream.isDead = true;
    const outcomes = [];
    for (let count = 0; count < 20; count += 1) {
      outcomes.push(watched(operations.start(request, caller)));
      await clock.advance(10);
    }
    expect(upstream.counts.generate).toBe(5);
    expect(outcomes.at(-1)?.error).toMatchObject({
      reason: 'upstream_unavailable',
      outcome: 'not_started',
    });
    await clock.advance(30_000);
    expect(upstream.counts.generate).toBe(5);
    expect(upstream.counts.probe).toBeGreaterThan(20);
    upstream.isDead = false;
    await clock.advance(1_500);
    const healed = watched(operations.start(request, caller));
    await clock.advance(10);
    expect(statusOf(healed)).toBe('running');
  });

  it('asks only every few seconds while polls fail', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    upstream.nextGets.push(...Array.from({ length: 100 }, () => unavailable));
    watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await clock.advance(60_000);
    expect(upstream.counts.get).toBeLessThanOrEqual(20);
  });

  it('takes "not found" for "not yet" in the first 30 s, and for the end after that', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const notFound = new GatewayError('operation_not_found', 'no such operation');
    await clock.advance(2_000);
    upstream.nextGets.push(notFound);
    expect(statusOf(await get(operations, id))).toBe('running');
    await clock.advance(60_000);
    upstream.nextGets.push(notFound);
    expect(reasonOf(await get(operations, id))).toBe('operation_expired');
    const before = upstream.counts.get;
    expect(reasonOf(await get(operations, id))).toBe('operation_expired');
    expect(upstream.counts.get).toBe(before);
  });

  it('tells an operation that failed for something missing as failed, never as expired', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    await clock.advance(2_000);
    upstream.nextGets.push(failedOperation('upstream1', 5, 'Model not found'));
    const { state } = (await get(operations, id)).value ?? {};
    expect(state).toMatchObject({ status: 'failed', failure: { reason: 'upstream_error' } });
  });

  it.each(['upstream_error', 'bad_upstream_result', 'upstream_timeout'] as const)(
    'reads the operations of others while the reads of one end in %s',
    async (reason) => {
      const operations = openOperations();
      const { id: broken } = await operations.start(request, caller);
      const { id: good } = await operations.start(request, caller);
      for (let count = 0; count < 12; count += 1) {
        upstream.nextGets.push(new GatewayError(reason, 'broken'));
        // Longer than a breaker is open, or an operation that fails is left alone.
        await clock.advance(20_000);
        await get(operations, broken);
      }
      expect(upstream.counts.get).toBe(12);
      expect(statusOf(await get(operations, good))).toBe('succeeded');
    },
  );

  it('ignores a response about another operation', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    await clock.advance(2_000);
    upstream.nextGets.push(succeededOperation('another-callers'));
    expect(statusOf(await get(operations, id))).toBe('running');
  });

  it('believes a result that is no image only when it stays', async () => {
    const operations = openOperations();
    const bad = () => succeededOperation('upstream1', Buffer.from('<html>'));
    const { id } = await operations.start(request, caller);
    watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    upstream.nextGets.push(bad(), bad());
    await clock.advance(30_000);
    expect(statusOf(await get(operations, id))).toBe('succeeded');
    const other = await operations.start(request, caller);
    const waiter = watched(operations.wait(other.id, { ...caller, waitMs: 60_000 }));
    upstream.nextGets.push(
      ...Array.from({ length: 3 }, () => succeededOperation('upstream2', Buffer.from('<html>'))),
    );
    await clock.advance(60_000);
    expect(waiter.value?.state).toMatchObject({ failure: { reason: 'bad_upstream_result' } });
  });

  it('believes a result that stays no image within three seconds, whatever it is', async () => {
    const results = [
      succeededOperation('upstream1', Buffer.from('<html>')),
      succeededOperation('upstream1', Buffer.alloc(0)),
      create(OperationSchema, { id: 'upstream1', done: true }),
      create(OperationSchema, {
        id: 'upstream1',
        done: true,
        result: {
          case: 'response',
          value: { typeUrl: 'a/yandex.Something', value: Buffer.from('x') },
        },
      }),
    ];
    for (const bad of results) {
      upstream = new FakeUpstream(clock, { latencyMs: 3_000 });
      const failed: string[] = [];
      const operations = openOperations({
        observer: { readFailed: ({ error }) => failed.push(error.reason) },
      });
      const { id } = await operations.start(request, caller);
      await clock.advance(20_000);
      upstream.nextGets.push(bad, bad, bad);
      const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
      await clock.advance(100);
      expect(failed).toEqual(['bad_upstream_result']);
      await clock.advance(3_000);
      expect(waiter.value?.state).toMatchObject({ failure: { reason: 'bad_upstream_result' } });
      expect(upstream.counts.get).toBe(3);
    }
  });

  it('names the operation to the operator whose result can not be read, once and with its upstream id', async () => {
    const lost: unknown[] = [];
    const operations = openOperations({
      observer: { readFailed: () => undefined, resultLost: (result) => lost.push(result) },
    });
    const { id } = await operations.start(request, caller);
    const bad = succeededOperation('upstream1', Buffer.from('<html>'));
    upstream.nextGets.push(bad, bad, bad);
    watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await clock.advance(10_000);
    expect(lost).toEqual([
      { operationId: id, upstreamId: 'upstream1', reason: 'bad_upstream_result' },
    ]);
  });

  it('takes an image over the limit as final', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    upstream.nextGets.push(new GatewayError('upstream_message_too_large', 'too large'));
    await clock.advance(5_000);
    expect(waiter.value?.state).toMatchObject({
      failure: { reason: 'upstream_message_too_large' },
    });
  });

  it('takes an error for the end even when the upstream does not say done', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    upstream.nextGets.push(failedOperation('upstream1', 13, 'broken', false));
    await clock.advance(2_000);
    expect(waiter.value?.state).toMatchObject({
      status: 'failed',
      failure: { reason: 'upstream_error' },
    });
  });
});

describe.each([-86_400_000, -3_600_000, -30_000, -20_000, 30_000, 3_600_000, 86_400_000])(
  'a wall clock that steps by %i ms',
  (stepMs) => {
    /** When the waiter hears of the end, without a step and with one while it waits. */
    async function waitedMs(step: number, atMs: number): Promise<number> {
      clock = new VirtualClock();
      upstream = new FakeUpstream(clock, { latencyMs: 3_000 });
      const operations = openOperations();
      const { id } = await operations.start(request, caller);
      await clock.advance(atMs);
      clock.stepWall(step);
      const beganAtMs = clock.elapsedMs();
      let endedAtMs = Infinity;
      void operations
        .wait(id, { ...caller, waitMs: 60_000 })
        .then(() => (endedAtMs = clock.elapsedMs()));
      await clock.advance(61_000);
      return endedAtMs - beganAtMs;
    }

    it.each([0, 500, 2_000, 10_000])('delays no poll, %i ms after the create', async (atMs) => {
      expect(await waitedMs(stepMs, atMs)).toBe(await waitedMs(0, atMs));
    });

    it('delays no read, no image and no hint to ask again', async () => {
      const operations = openOperations();
      const { id } = await operations.start(request, caller);
      await clock.advance(4_000);
      clock.stepWall(stepMs);
      expect(operations.retryAfterS(id, caller)).toBe(1);
      expect(statusOf(await get(operations, id))).toBe('succeeded');
      const { release } = await operations.image(id, caller);
      release();
    });

    it('delays no poll of a gateway that knows the operation by its id alone', async () => {
      const { id } = await openOperations().start(request, caller);
      clock.stepWall(stepMs);
      const other = watched(openOperations().wait(id, { ...caller, waitMs: 60_000 }));
      await clock.advance(5_500);
      expect(statusOf(other)).toBe('succeeded');
    });

    it('keeps what it has learned of how long operations take', async () => {
      const operations = openOperations();
      for (let count = 0; count < 30; count += 1) {
        const { id } = await operations.start(request, caller);
        watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
        await clock.advance(1_000);
        clock.stepWall(count % 2 === 0 ? stepMs : -stepMs);
        await clock.advance(9_000);
      }
      const { id } = await operations.start(request, caller);
      const before = upstream.counts.get;
      const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
      await clock.advance(3_300);
      expect(statusOf(waiter)).toBe('succeeded');
      expect(upstream.counts.get - before).toBeLessThanOrEqual(5);
    });
  },
);

describe('ids that a caller with a credential of its own has invented', () => {
  const credential = { authorization: 'Bearer anna', view: 'anna' };
  const anna = { tenant: 'p:', subject: 'p:anna', passthrough: credential };
  const invented = (index: number) => String(index).padStart(20, 'f');

  it('are never running, also when no read is left for them, and are not remembered', async () => {
    const limiter = new ReadRateLimiter({ perSecond: 5, burst: 1 });
    const readQueue = new ReadQueue({ clock, limiter });
    const operations = openOperations({ readRateLimiter: limiter, readQueue });
    const asked = Array.from({ length: 300 }, (_, index) => {
      const id = invented(index);
      if (index % 3 === 0) return watched(operations.wait(id, { ...anna, waitMs: 1_000 }));
      return watched(index % 3 === 1 ? operations.get(id, anna) : operations.cancel(id, anna));
    });
    await clock.advance(120_000);
    const reasons = new Set(asked.map(reasonOf));
    expect(reasons).toEqual(new Set(['operation_expired', 'operation_not_found', 'overloaded']));
    expect(asked.filter(({ value }) => value !== undefined)).toEqual([]);
    expect(operations.load.trackedOperations).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it('are never running while the upstream is out of reach', async () => {
    const operations = openOperations();
    upstream.isDead = true;
    for (let index = 0; index < 20; index += 1) {
      const outcome = watched(operations.get(invented(index), anna));
      await clock.advance(2_500);
      expect(outcome.value).toBeUndefined();
      expect(['upstream_unavailable', 'overloaded']).toContain(reasonOf(outcome));
    }
    expect(operations.load.trackedOperations).toBe(0);
  });

  it('are not confused with those that the upstream has', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, anna);
    expect(statusOf(watched(operations.get(id, anna)))).toBeUndefined();
    await clock.advance(10);
    const known = watched(operations.get(id, anna));
    await clock.advance(100);
    expect(statusOf(known)).toBe('running');
    upstream.nextGets.push(succeededOperation(invented(7)));
    const own = watched(operations.get(invented(7), anna));
    await clock.advance(100);
    expect(statusOf(own)).toBe('succeeded');
    expect(operations.load.trackedOperations).toBe(2);
  });
});

describe('canceling', () => {
  it('wakes all callers who wait', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    const waiter = watched(operations.wait(id, { ...caller, waitMs: 60_000 }));
    await operations.cancel(id, caller);
    await clock.advance(0);
    expect(statusOf(waiter)).toBe('canceled');
  });

  it('asks the upstream once, and never about a finished operation', async () => {
    const operations = openOperations();
    const { id } = await operations.start(request, caller);
    await operations.cancel(id, caller);
    await operations.cancel(id, caller);
    expect(upstream.counts.cancel).toBe(1);
  });
});
