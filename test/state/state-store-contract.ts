import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  Claim,
  CountClaim,
  RateClaim,
  RecordWrite,
  SlotClaim,
  StateStore,
} from '../../src/state/state-store.ts';
import { recordWrite } from './record-write.ts';

export interface StoreUnderTest {
  readonly store: StateStore;
  /** The same store as another gateway sees it; absent where there is only one. */
  readonly other?: StateStore;
  close(): Promise<void>;
}

const write: RecordWrite = { ...recordWrite, state: 'reserved' };
const rate: RateClaim = { kind: 'rate', key: '', quantity: 3, periodMs: 60_000, cost: 1 };
const count: CountClaim = { kind: 'count', key: '', quantity: 2, keepMs: 60_000, cost: 1 };
const slot: SlotClaim = { kind: 'slot', key: '', quantity: 1, leaseMs: 60_000, holder: 'a' };

let lastKey = 0;
function newKey(): string {
  lastKey += 1;
  return `key ${lastKey}`;
}

/** The contract test of `StateStore`, run on every implementation. */
export function describeStateStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the promises, kept by ${name}`, () => {
    let opened: StoreUnderTest;
    let store: StateStore;
    beforeAll(async () => {
      opened = await open();
      ({ store } = opened);
    });
    afterAll(() => opened.close());

    describeRecords(() => store);
    describeLimits(() => store);
    describeSeveral(() => [opened.store, opened.other ?? opened.store]);
  });
}

function describeRecords(store: () => StateStore): void {
  it('writes a record where there is none, and returns it', async () => {
    const { swapped, record } = await store().swapRecord(newKey(), undefined, {
      ...write,
      data: 'Ä\u0000\n"',
    });
    expect(swapped).toBe(true);
    expect(record).toMatchObject({ state: 'reserved', fingerprint: 'f', data: 'Ä\u0000\n"' });
    expect(record?.leaseLeftMs).toBeGreaterThan(59_000);
    expect(record?.fence).toBeGreaterThan(0);
  });

  it('leaves a record that was not expected, and returns it', async () => {
    const key = newKey();
    const first = await store().swapRecord(key, undefined, { ...write, data: 'first' });
    const second = await store().swapRecord(key, undefined, { ...write, data: 'second' });
    expect(second.swapped).toBe(false);
    expect(second.record).toMatchObject({ data: 'first', fence: first.record?.fence });
  });

  it('compares both state and fence', async () => {
    const key = newKey();
    const { record } = await store().swapRecord(key, undefined, write);
    const fence = record?.fence ?? 0;
    const next = { ...write, state: 'dispatched', fence: 'keep', durable: true } as const;
    const wrongState = await store().swapRecord(key, { state: 'failed', fence }, next);
    const wrongFence = await store().swapRecord(key, { state: 'reserved', fence: fence + 1 }, next);
    const right = await store().swapRecord(key, { state: 'reserved', fence }, next);
    expect([wrongState.swapped, wrongFence.swapped, right.swapped]).toEqual([false, false, true]);
    expect(right.record).toMatchObject({ state: 'dispatched', fence });
  });

  it('writes nothing where a record was expected and there is none', async () => {
    const expected = { state: 'reserved', fence: 1 } as const;
    const result = await store().swapRecord(newKey(), expected, write);
    expect(result).toEqual({ swapped: false, record: undefined });
  });

  it('gives a greater fence each time a record is taken over', async () => {
    const key = newKey();
    const { record: first } = await store().swapRecord(key, undefined, write);
    const { record: second } = await store().swapRecord(key, first, write);
    const { record: third } = await store().swapRecord(key, second, write);
    expect(second?.fence).toBeGreaterThan(first?.fence ?? Infinity);
    expect(third?.fence).toBeGreaterThan(second?.fence ?? Infinity);
    expect((await store().swapRecord(key, first, write)).swapped).toBe(false);
  });

  it('reports that a lease has ended, and keeps the record', async () => {
    const key = newKey();
    await store().swapRecord(key, undefined, { ...write, leaseMs: 30 });
    await sleep(60);
    const { record } = await store().swapRecord(key, undefined, write);
    expect(record?.leaseLeftMs).toBeLessThanOrEqual(0);
    expect(record?.state).toBe('reserved');
  });

  it('forgets an expired record, and never gives its fence again', async () => {
    const key = newKey();
    const { record: first } = await store().swapRecord(key, undefined, { ...write, keepMs: 30 });
    await sleep(60);
    const { swapped, record } = await store().swapRecord(key, undefined, write);
    expect(swapped).toBe(true);
    expect(record?.fence).toBeGreaterThan(first?.fence ?? Infinity);
  });

  it('takes keys of any length and kind', async () => {
    for (const key of ['x'.repeat(5_000), 'ключ 🐱', 'a b:c{d}']) {
      const { record } = await store().swapRecord(key, undefined, write);
      const { record: again } = await store().swapRecord(key, undefined, write);
      expect(again?.fence).toBe(record?.fence);
    }
  });
}

function describeLimits(store: () => StateStore): void {
  it('allows a rate up to its quantity at once, then reports when there is more', async () => {
    const claim = { ...rate, key: newKey() };
    const left: number[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const { areTaken, claims } = await store().takeClaims([claim]);
      expect(areTaken).toBe(true);
      left.push(claims[0]?.remaining ?? -1);
    }
    expect(left).toEqual([2, 1, 0]);
    const refused = await store().takeClaims([claim]);
    expect(refused.areTaken).toBe(false);
    expect(refused.claims[0]?.remaining).toBe(0);
    expect(refused.claims[0]?.resetMs).toBeGreaterThan(18_000);
    expect(refused.claims[0]?.resetMs).toBeLessThanOrEqual(20_000);
  });

  it('restores a rate with time', async () => {
    const claim = { ...rate, key: newKey(), periodMs: 300 };
    for (let turn = 0; turn < 3; turn += 1) await store().takeClaims([claim]);
    const { claims } = await store().takeClaims([claim]);
    await sleep((claims[0]?.resetMs ?? 0) + 10);
    expect((await store().takeClaims([claim])).areTaken).toBe(true);
  });

  it('counts up to the quantity, and from zero when the counter has expired', async () => {
    const claim = { ...count, key: newKey(), keepMs: 2_000 };
    await store().takeClaims([claim]);
    const second = await store().takeClaims([claim]);
    expect(second.claims[0]?.remaining).toBe(0);
    const refused = await store().takeClaims([claim]);
    expect(refused.areTaken).toBe(false);
    await sleep((refused.claims[0]?.resetMs ?? 0) + 20);
    const fresh = await store().takeClaims([claim]);
    expect(fresh).toMatchObject({ areTaken: true, claims: [{ remaining: 1 }] });
  });

  it('gives a slot to so many holders, and to another when one is returned', async () => {
    const claim = { ...slot, key: newKey() };
    expect((await store().takeClaims([claim])).areTaken).toBe(true);
    expect((await store().takeClaims([{ ...claim, holder: 'b' }])).areTaken).toBe(false);
    expect((await store().takeClaims([claim])).areTaken).toBe(true);
    await store().returnClaims([claim]);
    expect((await store().takeClaims([{ ...claim, holder: 'b' }])).areTaken).toBe(true);
  });

  it('frees a slot whose lease has ended', async () => {
    const claim = { ...slot, key: newKey(), leaseMs: 1_000 };
    await store().takeClaims([claim]);
    const { claims } = await store().takeClaims([{ ...claim, holder: 'b' }]);
    expect(claims[0]?.resetMs).toBeLessThanOrEqual(1_000);
    await sleep((claims[0]?.resetMs ?? 0) + 30);
    expect((await store().takeClaims([{ ...claim, holder: 'b' }])).areTaken).toBe(true);
  });

  it('takes all claims or none', async () => {
    const all = [
      { ...rate, key: newKey() },
      { ...count, key: newKey() },
      { ...slot, key: newKey() },
    ];
    const used = { ...count, key: newKey(), quantity: 1 };
    await store().takeClaims([used]);
    const refused = await store().takeClaims([...all, used]);
    expect(refused.areTaken).toBe(false);
    expect(refused.claims.map(({ remaining }) => remaining)).toEqual([3, 2, 1, 0]);
    const { areTaken, claims } = await store().takeClaims(all);
    expect(areTaken).toBe(true);
    expect(claims.map(({ remaining }) => remaining)).toEqual([2, 1, 0]);
  });

  it('takes back what was taken, and never more', async () => {
    const all: readonly Claim[] = [
      { ...rate, key: newKey() },
      { ...count, key: newKey() },
      { ...slot, key: newKey() },
    ];
    await store().takeClaims(all);
    await store().returnClaims(all);
    await store().returnClaims(all);
    const { claims } = await store().takeClaims(all);
    expect(claims.map(({ remaining }) => remaining)).toEqual([2, 1, 0]);
  });

  it('takes claims of more than one at once', async () => {
    const claim = { ...count, key: newKey(), quantity: 5, cost: 3 };
    expect((await store().takeClaims([claim])).areTaken).toBe(true);
    const refused = await store().takeClaims([claim]);
    expect(refused).toMatchObject({ areTaken: false, claims: [{ remaining: 2 }] });
  });
}

function describeSeveral(ends: () => readonly [StateStore, StateStore]): void {
  it('lets one of many win a record', async () => {
    const [one, two] = ends();
    const key = newKey();
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (index % 2 === 0 ? one : two).swapRecord(key, undefined, {
          ...write,
          data: String(index),
          durable: index % 3 === 0,
        }),
      ),
    );
    expect(results.filter(({ swapped }) => swapped)).toHaveLength(1);
    expect(new Set(results.map(({ record }) => record?.data)).size).toBe(1);
    expect(new Set(results.map(({ record }) => record?.fence)).size).toBe(1);
  });

  it('gives no more than the quantity, however many claim at once', async () => {
    const [one, two] = ends();
    const claims = [
      { ...rate, key: newKey(), quantity: 20 },
      { ...count, key: newKey(), quantity: 7 },
    ];
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? one : two).takeClaims(claims)),
    );
    expect(results.filter(({ areTaken }) => areTaken)).toHaveLength(7);
  });

  it('knows how many gateways are alive', async () => {
    const [one, two] = ends();
    if (!one.isShared) {
      expect(await one.announce('a', 1_000)).toBe(1);
      return;
    }
    expect(await one.announce('a', 10_000)).toBe(1);
    expect(await two.announce('b', 2_000)).toBe(2);
    expect(await one.announce('a', 10_000)).toBe(2);
    await expect.poll(() => one.announce('a', 10_000), { timeout: 10_000 }).toBe(1);
    await two.announce('b', 10_000);
    await two.endAnnouncement('b');
    expect(await one.announce('a', 10_000)).toBe(1);
  });
}
