import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openEmbeddedStore } from '../../src/state/embedded-store.ts';
import type { RecordWrite } from '../../src/state/state-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { SimulatedState, simulatedStore } from '../simulation/simulated-store.ts';
import { recordWrite } from './record-write.ts';
import { describeStateStore } from './state-store-contract.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-state-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const write: RecordWrite = { ...recordWrite, durable: true };

describeStateStore('the embedded store', async () => {
  const store = await openEmbeddedStore({ directory: join(directory, 'contract') });
  return { store, close: () => store.close() };
});

describeStateStore('the simulated store', async () => {
  const state = new SimulatedState(Date.now);
  const [store, other] = [simulatedStore(state), simulatedStore(state)];
  return { store, other, close: () => store.close() };
});

it('keeps everything when it is closed and opened again', async () => {
  const options = { directory: join(directory, 'again') };
  const claim = { kind: 'count', key: 'c', quantity: 5, keepMs: 60_000, cost: 2 } as const;
  const first = await openEmbeddedStore(options);
  const { record } = await first.swapRecord('k', undefined, { ...write, data: 'kept' });
  await first.takeClaims([claim]);
  await first.close();
  const second = await openEmbeddedStore(options);
  expect((await second.swapRecord('k', undefined, write)).record).toMatchObject({
    data: 'kept',
    fence: record?.fence,
  });
  expect((await second.takeClaims([claim])).claims[0]?.remaining).toBe(1);
  await second.close();
});

it('warns once when its folder is removed while it is open', { timeout: 60_000 }, async () => {
  const path = join(directory, 'removed');
  const warnings: string[] = [];
  let resolve: () => void;
  const warned = new Promise<void>((settle) => (resolve = settle));
  const ignored = () => undefined;
  const log = {
    ...{ info: ignored, error: ignored },
    warn(_: object, message: string) {
      warnings.push(message);
      resolve();
    },
  };
  const store = await openEmbeddedStore({ directory: path, log });
  await rm(path, { recursive: true });
  await warned;
  await store.close();
  expect(warnings).toEqual([expect.stringMatching(/^DATA_DIR was removed .* restart the gateway/)]);
});

it('keeps every durable write of a process that is killed while it writes', async () => {
  const path = join(directory, 'killed');
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/state/write-until-killed.ts'], {
    env: { ...process.env, STATE_DIRECTORY: path },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let written = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    written = Number(line);
    if (written === 200) child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect(written).toBeGreaterThanOrEqual(200);
  const store = await openEmbeddedStore({ directory: path });
  const lost: number[] = [];
  for (let number = 1; number <= written; number += 1) {
    const { record } = await store.swapRecord(`key ${number}`, undefined, write);
    if (record?.data !== `data ${number}`) lost.push(number);
  }
  expect(lost).toEqual([]);
  await store.close();
});

it('deletes expired rows', async () => {
  const clock = new VirtualClock();
  const store = await openEmbeddedStore({ directory: join(directory, 'swept'), clock });
  await store.swapRecord('short', undefined, { ...write, keepMs: 1_000 });
  await store.swapRecord('long', undefined, { ...write, keepMs: 100_000 });
  await clock.advance(49_000);
  expect(await store.sweep()).toBe(1);
  expect(await store.sweep()).toBe(0);
  expect((await store.swapRecord('short', undefined, write)).swapped).toBe(true);
  expect((await store.swapRecord('long', undefined, write)).swapped).toBe(false);
  await store.close();
});

describe.each([-3_600_000, -30_000, -86_400_000])('a clock that is set back by %i ms', (stepMs) => {
  const claims = [
    { kind: 'rate', key: 'r', quantity: 2, periodMs: 60_000, cost: 1 },
    { kind: 'count', key: 'c', quantity: 1_000, keepMs: 3_600_000, cost: 1 },
    { kind: 'slot', key: 's', quantity: 2, leaseMs: 60_000, holder: 'a' },
  ] as const;
  const [rate, count, slot] = claims;

  it('changes no rate and no slot of the embedded store, and lengthens no count', async () => {
    let [nowMs, elapsedMs] = [1_800_000_000_000, 5_000];
    const clocks = { nowMs: () => nowMs, elapsedMs: () => elapsedMs };
    const path = join(directory, `set back ${stepMs}`);
    const store = await openEmbeddedStore({ directory: path, clock: clocks });
    const before = await store.takeClaims(claims);
    nowMs += stepMs;
    const after = await store.takeClaims([{ ...rate, cost: 2 }, count, slot]);
    expect(after.claims[0]).toEqual(before.claims[0]);
    expect(after.claims[1]?.resetMs).toBeLessThanOrEqual(3_600_000);
    expect(after.claims[2]?.resetMs).toBeLessThanOrEqual(60_000);
    elapsedMs += 60_000;
    nowMs += 60_000;
    expect((await store.takeClaims([{ ...rate, cost: 2 }])).areTaken).toBe(true);
    const others = { ...slot, holder: 'b', quantity: 1 };
    expect((await store.takeClaims([others])).areTaken).toBe(true);
    nowMs += 3_600_000;
    expect((await store.takeClaims([count])).claims[0]?.remaining).toBe(999);
    await store.close();
  });

  it('holds no caller back for longer than its limit lasts where all clocks are the store’s', async () => {
    let nowMs = 1_800_000_000_000;
    const store = simulatedStore(new SimulatedState(() => nowMs));
    await store.takeClaims([{ ...rate, cost: 2 }, count, slot]);
    nowMs += stepMs;
    const seen = await store.takeClaims([rate, count, { ...slot, quantity: 1, holder: 'b' }]);
    expect(seen.claims.map(({ resetMs }) => resetMs)).toEqual([
      expect.closeTo(30_000, 0),
      expect.toBeOneOf([3_600_000, 3_600_000 - stepMs]),
      expect.toBeOneOf([600_000, 60_000 - stepMs]),
    ]);
    nowMs += 60_000;
    expect((await store.takeClaims([{ ...rate, cost: 2 }])).areTaken).toBe(true);
    nowMs += 540_000;
    expect((await store.takeClaims([{ ...slot, quantity: 1, holder: 'b' }])).areTaken).toBe(true);
  });
});

describe.each([
  ['an hour back', -3_600_000],
  ['30 s back', -30_000],
  ['a day back', -86_400_000],
  ['an hour ahead', 3_600_000],
  ['a day ahead', 86_400_000],
])('a record, when the clock is set %s', (name, stepMs) => {
  const kept = { ...write, leaseMs: 20_000, keepMs: 3 * 86_400_000 };

  it('has the rest of its lease, no more and no less, and is kept', async () => {
    const clock = new VirtualClock();
    const store = await openEmbeddedStore({ directory: join(directory, `lease ${name}`), clock });
    await store.swapRecord('k', undefined, kept);
    await clock.advance(5_000);
    clock.stepWall(stepMs);
    const after = await store.swapRecord('k', undefined, kept);
    expect(after).toMatchObject({ swapped: false, record: { leaseLeftMs: 15_000 } });
    await clock.advance(15_000);
    expect((await store.swapRecord('k', undefined, kept)).record?.leaseLeftMs).toBe(0);
    await store.close();
  });

  it('has a whole lease at most for the next process', async () => {
    const path = join(directory, `next process ${name}`);
    const first = new VirtualClock();
    const before = await openEmbeddedStore({ directory: path, clock: first });
    const { record } = await before.swapRecord('k', undefined, kept);
    await before.close();
    const clock = new VirtualClock();
    clock.stepWall(stepMs);
    const store = await openEmbeddedStore({ directory: path, clock });
    const found = await store.swapRecord('k', undefined, kept);
    expect(found.record?.fence).toBe(record?.fence);
    expect(found.record?.leaseLeftMs).toBeLessThanOrEqual(20_000);
    await clock.advance(20_000);
    const later = await store.swapRecord('k', undefined, kept);
    expect(later.record?.leaseLeftMs).toBeLessThanOrEqual(0);
    await store.close();
  });
});

it('erases nothing early when the clock is a year ahead for a while', async () => {
  const yearMs = 365 * 86_400_000;
  const clock = new VirtualClock();
  const store = await openEmbeddedStore({ directory: join(directory, 'ahead'), clock });
  await store.swapRecord('before', undefined, { ...write, keepMs: 1_000_000 });
  clock.stepWall(yearMs);
  expect(await store.sweep()).toBe(0);
  expect((await store.swapRecord('before', undefined, write)).swapped).toBe(false);
  await store.swapRecord('during', undefined, { ...write, keepMs: 1_000_000 });
  clock.stepWall(-yearMs);
  expect(await store.sweep()).toBe(0);
  for (const key of ['before', 'during']) {
    expect((await store.swapRecord(key, undefined, write)).swapped).toBe(false);
  }
  await clock.advance(1_000_001);
  expect(await store.sweep()).toBe(1);
  await store.close();
});

it('rejects with store_unavailable once it is closed', async () => {
  const store = await openEmbeddedStore({ directory: join(directory, 'closed') });
  await store.close();
  await expect(store.swapRecord('k', undefined, write)).rejects.toMatchObject({
    reason: 'store_unavailable',
  });
});

it('names the setting when its files cannot be opened', async () => {
  const path = join(directory, 'file');
  await writeFile(path, 'not a directory');
  await chmod(path, 0o600);
  await expect(openEmbeddedStore({ directory: path })).rejects.toThrow(/^DATA_DIR: .*file/);
});
