import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { recordFigure } from '../support/figure.ts';

/** Of a gateway without steps, and with one of each size: RECORD_FIGURES=true keeps the figure. */
const steps = {
  'no step': 0,
  'an hour back': -3_600_000,
  'an hour ahead': 3_600_000,
  '30 s back': -30_000,
  '30 s ahead': 30_000,
  'a day ahead, as after a resume': 86_400_000,
} as const;
/** Outer limit on a busy machine; each wait takes a second or two by itself. */
const extraMsMax = 8_000;
/** What the figure allows. */
const figureExtraMsMax = 1_000;
const unavailable = { kind: 'status', code: 14, message: 'down' } as const;

let emulator: Emulator;
let directory: string;
/** Longest time of each wait, by the name of the step. */
const took = new Map<string, Map<string, number>>();

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 1_000, latencySpreadRatio: 0 });
  directory = await mkdtemp(join(tmpdir(), 'gateway-clock-'));
});
afterAll(async () => {
  await emulator.close();
  await rm(directory, { recursive: true, force: true });
});

class SteppedGateway {
  readonly #child: ChildProcess;
  readonly #origin: string;

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child;
    this.#origin = origin;
  }

  static async start(): Promise<SteppedGateway> {
    const preload = ['--import', './test/process/stepped-clock.mjs'];
    const child = spawn(process.execPath, [...preload, 'dist/main.js'], {
      env: {
        PATH: process.env['PATH'],
        PORT: '0',
        DATA_DIR: await mkdtemp(join(directory, 'data-')),
        UPSTREAM_ADDRESS: emulator.address,
        IMAGES_PER_MINUTE_MAX: '300',
        CALLER_IMAGES_PER_MINUTE_MAX: '120',
        CALLER_CONCURRENT_IMAGES_MAX: '50',
        DRAIN_DELAY_MS: '0',
        LOOP_DELAY_MS_MAX: '10000',
      },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    const lines = createInterface({ input: child.stdout! });
    for await (const line of lines) {
      const { address } = JSON.parse(line) as { address?: string };
      if (address === undefined) continue;
      // What it logs from now on is read and dropped.
      child.stdout!.resume();
      return new SteppedGateway(child, address);
    }
    throw new Error('the gateway ended before it listened');
  }

  async step(stepMs: number): Promise<void> {
    const stepped = once(this.#child, 'message');
    this.#child.send({ stepMs });
    await stepped;
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`${this.#origin}${path}`, init);
  }

  async create(key?: string): Promise<{ status: number; id: string }> {
    const response = await this.fetch('/v1/images', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(key !== undefined && { 'idempotency-key': key }),
      },
      body: JSON.stringify({ prompt: 'a red cat' }),
    });
    await response.arrayBuffer();
    return { status: response.status, id: response.headers.get('x-operation-id') ?? '' };
  }

  async image(id: string): Promise<number> {
    const response = await this.fetch(`/operations/${id}/image?wait=60`);
    await response.arrayBuffer();
    return response.status;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Each wait that a caller or an operator notices, with the step in its middle. */
const waits: Readonly<Record<string, (gateway: SteppedGateway, stepMs: number) => Promise<void>>> =
  {
    async 'an image that no caller waited for yet'(gateway, stepMs) {
      const { id } = await gateway.create();
      await gateway.step(stepMs);
      expect(await gateway.image(id)).toBe(200);
    },
    async 'an image that a caller waits for'(gateway, stepMs) {
      const { id } = await gateway.create();
      const image = gateway.image(id);
      await gateway.step(stepMs);
      expect(await image).toBe(200);
    },
    async 'a create under way'(gateway, stepMs) {
      emulator.faults.inject('Generate', { kind: 'delay', delayMs: 500 });
      const created = gateway.create();
      await gateway.step(stepMs);
      expect((await created).status).toBe(202);
    },
    async 'limits with most of them left'(gateway, stepMs) {
      await gateway.create();
      await gateway.step(stepMs);
      expect((await gateway.create()).status).toBe(202);
    },
    async 'a retry that joins its create'(gateway, stepMs) {
      const key = `key-${performance.now()}`;
      emulator.faults.inject('Generate', { kind: 'delay', delayMs: 500 });
      const first = gateway.create(key);
      await gateway.step(stepMs);
      const [{ id }, again] = [await first, await gateway.create(key)];
      expect(again).toEqual({ status: 202, id });
    },
    async 'a breaker that was open'(gateway, stepMs) {
      emulator.faults.inject('Generate', ...Array.from({ length: 5 }, () => unavailable));
      for (let count = 0; count < 5; count += 1) await gateway.create();
      expect((await gateway.create()).status).toBe(503);
      await gateway.step(stepMs);
      await expect
        .poll(async () => (await gateway.create()).status, { timeout: 60_000, interval: 100 })
        .toBe(202);
    },
    async 'a drain'(gateway, stepMs) {
      await gateway.step(stepMs);
      await gateway.stop();
    },
  };

describe('the process whose clock steps', { timeout: 240_000 }, () => {
  it.each(Object.entries(steps))('waits no longer with %s', async (name, stepMs) => {
    const gateway = await SteppedGateway.start();
    const times = new Map<string, number>();
    took.set(name, times);
    try {
      for (const [wait, run] of Object.entries(waits)) {
        const startMs = performance.now();
        await run(gateway, stepMs);
        times.set(wait, performance.now() - startMs);
      }
    } finally {
      gateway.kill();
    }
    for (const [wait, ms] of times) {
      const withoutMs = took.get('no step')?.get(wait) ?? 0;
      expect(ms - withoutMs, wait).toBeLessThan(extraMsMax);
    }
  });

  it('says how much longer at worst', () => {
    const base = took.get('no step') ?? new Map<string, number>();
    const extras = [...took].flatMap(([step, times]) =>
      [...times].map(([wait, ms]) => ({ step, wait, extraMs: ms - (base.get(wait) ?? 0) })),
    );
    const [worst] = extras.toSorted((a, b) => b.extraMs - a.extraMs);
    expect(extras).toHaveLength(Object.keys(steps).length * Object.keys(waits).length);
    recordFigure({
      promise: 'P26',
      says: 'Clocks may step',
      goal: '±1 h, ±30 s, a day ahead in a real process: no poll, limit, retry, breaker or drain waits longer than without the step',
      seen: `${Object.keys(waits).length} waits with ${Object.keys(steps).length - 1} steps each: at worst ${Math.round(worst?.extraMs ?? Infinity)} ms longer (${worst?.wait}, ${worst?.step})`,
      isMet: (worst?.extraMs ?? Infinity) <= figureExtraMsMax,
      by: 'RECORD_FIGURES=true npx vitest run test/process/clock-steps.test.ts',
    });
  });
});
