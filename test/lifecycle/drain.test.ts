import { beforeEach, describe, expect, it } from 'vitest';
import {
  Drain,
  patientLimits,
  promptLimits,
  type DrainParts,
  type DrainPhase,
} from '../../src/lifecycle/drain.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const limits = patientLimits({ delayMs: 5_000, cutAfterMs: 25_000 });
const never = new Promise<void>(() => undefined);

let clock: VirtualClock;
let startMs: number;
/** Each step, with the seconds since the beginning. */
let log: string[];
let failures: [DrainPhase, unknown][];
/** Open connections: after how many sweeps each of them ends. */
let connections: number[];

beforeEach(() => {
  clock = new VirtualClock();
  startMs = clock.nowMs();
  log = [];
  failures = [];
  connections = [];
});

function drainOf(parts: Partial<DrainParts> = {}): Drain {
  const note = (what: string) => log.push(`${what} ${(clock.nowMs() - startMs) / 1000}`);
  const drain = new Drain({
    clock,
    parts: {
      leave: () => note('leave'),
      async stopTaking() {
        note('stopTaking');
      },
      sweep() {
        if (!log.at(-1)?.startsWith('sweep')) note('sweep');
        connections = connections.map((left) => left - 1).filter((left) => left > 0);
        return connections.length;
      },
      async settle() {
        note('settle');
      },
      async close() {
        note('close');
      },
      ...parts,
    },
    onFailure: (phase, error) => failures.push([phase, error]),
  });
  return drain;
}

describe('the drain', () => {
  it('serves while the load balancer notices, and then ends at once without connections', async () => {
    const drain = drainOf();
    const ended = drain.begin(limits);
    expect(drain.phase).toBe('leaving');
    await clock.advance(4_999);
    expect(log).toEqual(['leave 0']);
    await clock.advance(1);
    expect(await ended).toBe(true);
    expect(log).toEqual(['leave 0', 'stopTaking 5', 'sweep 5', 'settle 5', 'close 5']);
    expect([drain.phase, clock.pending]).toEqual(['closed', 0]);
  });

  it('skips that time with prompt limits', async () => {
    const ended = drainOf().begin(promptLimits(25_000));
    await clock.advance(0);
    expect(await ended).toBe(true);
    expect(log.at(-1)).toBe('close 0');
  });

  it('sweeps every 100 ms until the last connection is gone', async () => {
    connections = [1, 10, 31];
    const ended = drainOf().begin(limits);
    await clock.advance(8_000);
    expect(await ended).toBe(true);
    expect(log.slice(-2)).toEqual(['settle 8', 'close 8']);
  });

  it('does not wait for the next sweep when the last connection is gone', async () => {
    connections = [Infinity];
    const drain = drainOf();
    const ended = drain.begin(promptLimits(25_000));
    await clock.advance(50);
    connections = [];
    drain.emptied();
    await clock.advance(0);
    expect(await ended).toBe(true);
    expect(log.at(-1)).toBe('close 0.05');
  });

  it('goes on at 25 s although a connection is left', async () => {
    connections = [Infinity];
    const ended = drainOf().begin(limits);
    await clock.advance(24_999);
    expect(log.at(-1)).toBe('sweep 5');
    await clock.advance(1);
    expect(await ended).toBe(true);
    expect(log.slice(-2)).toEqual(['settle 25', 'close 25']);
  });

  it('lets a call that may be paid for go on for another 3 s, then closes', async () => {
    connections = [Infinity];
    const ended = drainOf({ settle: () => never }).begin(limits);
    await clock.advance(28_000);
    expect(await ended).toBe(true);
    expect(log.at(-1)).toBe('close 28');
  });

  it('ends at 30 s and reports failure when a part does not close', async () => {
    const hung = { stopTaking: () => never, settle: () => never, close: () => never };
    const drain = drainOf(hung);
    const ended = drain.begin(limits);
    await clock.advance(29_999);
    expect(drain.phase).toBe('closing');
    await clock.advance(1);
    expect(await ended).toBe(false);
    expect(drain.phase).toBe('closed');
  });

  it('goes on when a phase fails, and reports it', async () => {
    const broken = new Error('broken');
    const ended = drainOf({ settle: () => Promise.reject(broken) }).begin(limits);
    await clock.advance(5_000);
    expect(await ended).toBe(true);
    expect(failures).toEqual([['settling', broken]]);
    expect(log.at(-1)).toBe('close 5');
  });

  it('is hurried by a second begin, and never slowed down', async () => {
    connections = [Infinity];
    const drain = drainOf();
    const ended = drain.begin(limits);
    await clock.advance(1_000);
    const hurried = drain.begin(promptLimits(2_000));
    await clock.advance(1_000);
    expect(log.slice(0, 2)).toEqual(['leave 0', 'stopTaking 1']);
    expect(drain.begin(limits)).toBe(ended);
    await clock.advance(1_000);
    expect(await hurried).toBe(true);
    expect(log.at(-1)).toBe('close 3');
    expect(clock.pending).toBe(0);
  });

  it('closes idle connections after the time to notice, or at once with prompt limits', async () => {
    const seen: number[] = [];
    const sweep = (idleMs: number) => seen.push(idleMs) && 0;
    const patient = drainOf({ sweep }).begin(limits);
    await clock.advance(5_000);
    const prompt = drainOf({ sweep }).begin(promptLimits(25_000));
    await clock.advance(0);
    await Promise.all([patient, prompt]);
    expect(seen).toEqual([5_000, 0]);
  });
});
