import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { Idempotency } from '../../../src/operations/create/idempotency.ts';
import type { SentCreate, SettledCreate } from '../../../src/operations/create/keyed-create.ts';
import { serviceKeyOf, Settling } from '../../../src/operations/create/settling.ts';
import { SimulatedState, simulatedStore } from '../../simulation/simulated-store.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
});

const key = { key: 'key', storeId: 'store' };
const caller = { tenant: 'anna' };
const silence = new GatewayError('upstream_timeout', 'late');
const otherStore = new GatewayError('invalid_request', 'other', { isUpstreamFailure: false });
const operation = create(OperationSchema, { id: 'upstream-1' });

describe('a Generate that was not answered', () => {
  /** Answers of the service, one after the other; the last one stays. */
  function settling(...answers: readonly (typeof operation | GatewayError | undefined)[]) {
    const left = [...answers];
    const asked: number[] = [];
    const service = {
      storeId: async () => 'store',
      settle: async () => {
        asked.push(clock.elapsedMs());
        const answer = left.length > 1 ? left.shift() : left[0];
        if (answer instanceof GatewayError) throw answer;
        return answer;
      },
    };
    const random = seededRandom(1);
    return { asked, settles: new Settling({ service, clock, random, newKey: () => 'random' }) };
  }

  it('is settled again and again until the service responds', async () => {
    const { asked, settles } = settling(silence, silence, silence, operation);
    const settled = settles.settle(key, caller, 30_000);
    await clock.advance(30_000);
    expect(await settled).toBe(operation);
    expect(asked).toHaveLength(4);
    const gaps = asked.slice(1).map((atMs, index) => atMs - asked[index]!);
    expect(gaps[2]).toBeGreaterThan(gaps[0]!);
  });

  it('was never accepted where the service says so', async () => {
    const { settles } = settling(silence, undefined);
    const settled = settles.settle(key, caller, 30_000);
    await clock.advance(1_000);
    expect(await settled).toBe('never_accepted');
  });

  it('stays open after the time that was given, and after any refusal', async () => {
    const silent = settling(silence);
    const settled = silent.settles.settle(key, caller, 4_000);
    await clock.advance(5_000);
    expect(await settled).toBe('not_settled');
    const refused = settling(otherStore);
    expect(await refused.settles.settle(key, caller, 4_000)).toBe('not_settled');
    expect(refused.asked).toHaveLength(1);
  });

  it('is settled once for all who ask at the same time', async () => {
    const { asked, settles } = settling(operation);
    const ask = () => settles.settle(key, caller, 4_000);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([operation, operation, operation]);
    expect(asked).toHaveLength(1);
  });

  it('is not waited for by a gateway that stops', async () => {
    const { asked, settles } = settling(silence);
    settles.close();
    expect(await settles.settle(key, caller, 4_000)).toBe('not_settled');
    expect(asked).toHaveLength(1);
  });
});

describe('the key that the service sees', () => {
  it('is the record’s where there is one, and else one that no one can guess', () => {
    const service = { storeId: async () => 'store', settle: async () => undefined };
    const settles = new Settling({
      ...{ service, clock, random: seededRandom(1), newKey: () => 'random' },
    });
    const record = { recordKey: 'anna my-key', fence: 1 };
    expect(settles.keyOf('store', record)).toEqual({
      ...{ key: serviceKeyOf(record), storeId: 'store' },
    });
    expect(settles.keyOf('store', undefined)).toEqual({ key: 'random', storeId: 'store' });
  });

  it('is another one for each record and fence, and shows nothing of the caller’s', () => {
    const keys = [
      serviceKeyOf({ recordKey: 'anna my-key', fence: 1 }),
      serviceKeyOf({ recordKey: 'anna my-key', fence: 2 }),
      serviceKeyOf({ recordKey: 'ben my-key', fence: 1 }),
    ];
    expect(new Set(keys).size).toBe(3);
    for (const shown of keys) expect(shown).toMatch(/^[\w-]{43}$/);
    expect(serviceKeyOf({ recordKey: 'anna my-key', fence: 1 })).toBe(keys[0]);
  });
});

describe('a record whose create no one finished', () => {
  const unknown = new GatewayError('upstream_timeout', 'late', { outcome: 'unknown' });
  let sent: SentCreate[];
  let asked: SentCreate[];
  let state: SimulatedState;
  beforeEach(() => {
    sent = [];
    asked = [];
    state = new SimulatedState(() => clock.nowMs());
  });

  function run(settled: SettledCreate, end: () => Promise<{ operationId: string }>) {
    return new Idempotency({ store: simulatedStore(state), clock }).run({
      ...{ recordKey: 'key', fingerprint: 'one', noteOf: () => 'a note' },
      reserve: async () => undefined,
      refund: async () => undefined,
      send(_reserved, create) {
        sent.push(create);
        return end();
      },
      async settle(create) {
        asked.push(create);
        return settled;
      },
    });
  }
  const made = async () => ({ operationId: 'made' });
  const lost = async () => Promise.reject(unknown);
  const crash = () => new Promise<never>(() => undefined);

  it('is replayed once the service says that it was accepted', async () => {
    await expect(run('not_settled', lost)).rejects.toThrow('late');
    await expect(run('not_settled', made)).rejects.toMatchObject({ reason: 'outcome_unknown' });
    expect(await run({ operationId: 'found' }, made)).toMatchObject({ replayOf: 'found' });
    expect(sent).toHaveLength(1);
    expect(asked).toEqual([sent[0], sent[0]]);
    expect(asked[0]).toEqual({ fence: sent[0]!.fence, note: 'a note' });
    // And stays so without asking again.
    expect(await run('not_settled', made)).toMatchObject({ replayOf: 'found' });
  });

  it('is sent again under another fence once the service says that it never will be', async () => {
    await expect(run('not_settled', lost)).rejects.toThrow('late');
    expect(await run('never_accepted', made)).toEqual({ made: { operationId: 'made' } });
    expect(sent).toHaveLength(2);
    expect(sent[1]!.fence).toBeGreaterThan(sent[0]!.fence);
  });

  it('is settled after its lease when its gateway died', async () => {
    void run('not_settled', crash);
    const joined = run({ operationId: 'found' }, made);
    await clock.advance(30_000);
    expect(await joined).toMatchObject({ replayOf: 'found' });
    expect(sent).toHaveLength(1);
  });
});
