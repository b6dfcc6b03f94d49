import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openLoadSampler, type LoadSampler } from '../../src/load/load-sampler.ts';

/** A little more than the time after a start in which no delay counts. */
const warmUpMs = 3_100;
const lateMs = 2_000;
/** What a delay of `lateMs` is for each of the five ticks of a sample, and half of it. */
const isLoadMs = lateMs / 5 / 2;

let sampler: LoadSampler | undefined;
afterEach(() => sampler?.close());

/** The loop delays that are sampled until two samples after a delay. */
async function delaysAfter(delay: () => void): Promise<readonly number[]> {
  const delays: number[] = [];
  sampler = openLoadSampler(({ loopDelayMs }) => delays.push(loopDelayMs));
  sampler.start();
  await pause(warmUpMs);
  delays.length = 0;
  delay();
  await expect.poll(() => delays.length, { timeout: 20_000 }).toBeGreaterThan(1);
  return delays;
}

describe('a delay of the loop', () => {
  it('in which the process did not run, because it was stopped, is no load', async () => {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    const delays = await delaysAfter(() => void Atomics.wait(cell, 0, 0, lateMs));
    expect(Math.max(...delays)).toBeLessThan(isLoadMs);
  });

  it('in which the process was busy is load', async () => {
    const delays = await delaysAfter(() => {
      const untilMs = performance.now() + lateMs;
      while (performance.now() < untilMs);
    });
    expect(Math.max(...delays)).toBeGreaterThan(isLoadMs);
  });
});
