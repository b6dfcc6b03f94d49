import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperationStore } from '../../src/service/operation-store.ts';
import { inParallel } from '../support/in-parallel.ts';
import { startService } from '../support/service.ts';
import { openSettledCore, type Reported, type SettledCore } from './settled-core.ts';
import { startScriptedProxy, type Cut } from './scripted-proxy.ts';

/** What creates over broken connections left. */
export interface CutCounts {
  cuts: number;
  /** By what the caller of the first request read. */
  readonly reported: Record<Reported, number>;
  /** Wishes that the service accepted more than once, or in the end not at all. */
  readonly wrong: string[];
}

const againMax = 200;
const againMs = 100;

interface CountedService {
  readonly port: number;
  readonly storeId: string;
  /** Operations accepted, by prompt. */
  readonly accepted: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

async function startCountedService(): Promise<CountedService> {
  const directory = await mkdtemp(join(tmpdir(), 'settling-'));
  const accepted = new Map<string, number>();
  const throughStore = (store: OperationStore): OperationStore =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'insert') return value.bind(target);
        return async (...parameters: Parameters<OperationStore['insert']>) => {
          const result = await target.insert(...parameters);
          const prompt = parameters[0].plan?.prompt ?? '';
          if (result === 'inserted') accepted.set(prompt, (accepted.get(prompt) ?? 0) + 1);
          return result;
        };
      },
    });
  const service = await startService({
    ...{ directory, delayMs: 3_600_000, queuedMax: 100_000, throughStore },
  });
  return {
    ...{ port: service.port, storeId: service.storeId, accepted },
    async close() {
      await service.close(0);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** One create whose connections are cut as the script says, then the same once more. */
async function createCut(service: CountedService, prompt: string, script: readonly Cut[]) {
  const proxy = await startScriptedProxy(service.port, script);
  const operationsAddress = `http://127.0.0.1:${service.port}`;
  const core = openSettledCore({ address: proxy.address, operationsAddress }, service.storeId);
  const first = await core.create(prompt, prompt);
  const last = await untilAccepted(core, prompt, first);
  await core.close();
  await proxy.close();
  return { first, last, passed: proxy.passed };
}

/** Asks again until the connection is back. */
async function untilAccepted(
  core: SettledCore,
  prompt: string,
  first: Reported,
): Promise<Reported> {
  let last = first;
  for (let left = againMax; left > 0 && last === 'not_started'; left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, againMs));
    last = await core.create(prompt, prompt);
  }
  return last;
}

/** The end of a Generate is lost: its request has arrived, and not a byte of the response is let through after the handshake. */
async function generateLost(service: CountedService): Promise<Cut> {
  const whole = await createCut(service, 'whole', []);
  return { direction: 'response', bytes: (whole.passed[0]?.response ?? 1) - 1 };
}

/** Cuts the connection at every byte of Generate, then at every byte of Settle after a Generate whose end was lost. */
export async function cutEverywhere(step: number): Promise<CutCounts> {
  const service = await startCountedService();
  const counts: CutCounts = {
    ...{ cuts: 0, reported: { accepted: 0, not_started: 0, unknown: 0 }, wrong: [] },
  };
  const lost = await generateLost(service);
  const settled = await createCut(service, 'settled', [lost]);
  const wholeGenerate = (await createCut(service, 'measured', [])).passed[0];
  const scripts = (['request', 'response'] as const).flatMap((direction) => [
    ...cutsUpTo(wholeGenerate?.[direction] ?? 0, direction, step).map((cut) => [cut]),
    ...cutsUpTo(settled.passed[1]?.[direction] ?? 0, direction, step).map((cut) => [lost, cut]),
  ]);
  await inParallel(scripts, 8, async (script) => {
    const prompt = JSON.stringify(script);
    const { first, last } = await createCut(service, prompt, script);
    counts.cuts += 1;
    counts.reported[first] += 1;
    const times = service.accepted.get(prompt) ?? 0;
    if (last !== 'accepted' || times !== 1) {
      counts.wrong.push(`${prompt}: ${first}, then ${last}; accepted ${times} times`);
    }
  });
  await service.close();
  return counts;
}

function cutsUpTo(bytes: number, direction: Cut['direction'], step: number): readonly Cut[] {
  const places = Array.from({ length: Math.ceil(bytes / step) }, (_, index) => index * step);
  return places.map((place) => ({ direction, bytes: place }));
}

/** Another service behind the same address, after a Generate whose end was lost. @returns What went wrong. */
export async function swapStores(): Promise<readonly string[]> {
  const [service, other] = [await startCountedService(), await startCountedService()];
  const lost = await generateLost(service);
  const proxy = await startScriptedProxy(service.port, [lost]);
  const operationsAddress = `http://127.0.0.1:${service.port}`;
  const core = openSettledCore({ address: proxy.address, operationsAddress }, service.storeId);
  // Every connection after the one that is cut leads to the other service.
  const first = core.create('swapped', 'swapped');
  const untilCut = () => (proxy.passed[0]?.response ?? 0) >= lost.bytes;
  while (!untilCut()) await new Promise((resolve) => setImmediate(resolve));
  proxy.targetPort = other.port;
  const wrong: string[] = [];
  const expect = (what: string, seen: unknown, wanted: unknown) => {
    if (seen !== wanted) wrong.push(`${what}: ${String(seen)}`);
  };
  expect('in front of another store the create is', await first, 'unknown');
  expect('and asked again', await core.create('swapped', 'swapped'), 'unknown');
  expect('a new one is', await core.create('new', 'new'), 'not_started');
  expect('the other service accepted', other.accepted.size, 0);
  proxy.targetPort = service.port;
  proxy.cut();
  let last: Reported = 'unknown';
  for (let left = againMax; left > 0 && last !== 'accepted'; left -= 1) {
    await new Promise((resolve) => setTimeout(resolve, againMs));
    last = await core.create('swapped', 'swapped');
  }
  expect('back at its own store it is', last, 'accepted');
  expect('accepted there', service.accepted.get('swapped'), 1);
  await core.close();
  await proxy.close();
  for (const counted of [service, other]) await counted.close();
  return wrong;
}
