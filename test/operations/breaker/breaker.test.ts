import { beforeEach, describe, expect, it } from 'vitest';
import {
  Breaker,
  type BreakerState,
  type Permit,
} from '../../../src/operations/breaker/breaker.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

let clock: VirtualClock;
let states: BreakerState[];
let isAlive: boolean;
let probes: number;

beforeEach(() => {
  clock = new VirtualClock();
  states = [];
  isAlive = false;
  probes = 0;
});

function openBreaker({ probed = false, openMsMax = 60_000 } = {}): Breaker {
  const probe = async () => {
    probes += 1;
    return isAlive;
  };
  return new Breaker({
    clock,
    random: seededRandom(1),
    openMsMax,
    ...(probed && { probe }),
    changed: (state) => states.push(state),
  });
}

function passageOf(breaker: Breaker): Permit {
  const passage = breaker.acquire();
  if (passage === undefined) throw new Error('it does not let a call go');
  return passage;
}

function fail(breaker: Breaker, count = 1): void {
  for (let index = 0; index < count; index += 1) passageOf(breaker).failed();
}

describe('Breaker', () => {
  it('opens at the fifth failure in a row, and lets nothing go then', () => {
    const breaker = openBreaker();
    fail(breaker, 4);
    passageOf(breaker).responded();
    fail(breaker, 4);
    expect(breaker.state).toBe('closed');
    fail(breaker);
    expect(breaker.state).toBe('open');
    expect(breaker.acquire()).toBeUndefined();
    expect(breaker.openForMs()).toBeGreaterThan(0);
  });

  it('lets one call go half-open, and closes when that has a response', async () => {
    const breaker = openBreaker();
    fail(breaker, 5);
    await clock.advance(1_200);
    const passage = passageOf(breaker);
    expect(breaker.acquire()).toBeUndefined();
    expect(breaker.openForMs()).toBeGreaterThan(0);
    passage.responded();
    expect(states).toEqual(['open', 'half-open', 'closed']);
    expect(breaker.openForMs()).toBe(0);
  });

  it('counts the failures that may lie in one thing once, until something else fails too', () => {
    const breaker = openBreaker();
    for (let count = 0; count < 20; count += 1) passageOf(breaker).failed('broken');
    expect(breaker.state).toBe('closed');
    for (const subject of ['b', 'c', 'd']) passageOf(breaker).failed(subject);
    expect(breaker.state).toBe('closed');
    passageOf(breaker).failed('e');
    expect(breaker.state).toBe('open');
  });

  it('closes when its one trial fails for what may lie in the thing it asked about', async () => {
    const breaker = openBreaker();
    fail(breaker, 5);
    await clock.advance(1_200);
    passageOf(breaker).failed('broken');
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  it('stays open twice as long after each failed trial, up to its limit', async () => {
    const breaker = openBreaker({ openMsMax: 4_000 });
    fail(breaker, 5);
    for (const openMs of [1_000, 2_000, 4_000, 4_000]) {
      await clock.advance(openMs * 0.79);
      expect(breaker.state).toBe('open');
      await clock.advance(openMs * 0.42);
      expect(breaker.state).toBe('half-open');
      fail(breaker);
    }
  });

  it('risks no call before a free probe says that the upstream lives', async () => {
    const breaker = openBreaker({ probed: true });
    fail(breaker, 5);
    await clock.advance(60_000);
    expect(breaker.state).toBe('open');
    expect(probes).toBeGreaterThan(45);
    isAlive = true;
    await clock.advance(1_300);
    expect(breaker.state).toBe('half-open');
  });

  it('does not take what a call from before it opened brings', () => {
    const breaker = openBreaker();
    const [early, late] = [passageOf(breaker), passageOf(breaker)];
    fail(breaker, 5);
    early.responded();
    late.failed();
    expect(states).toEqual(['open']);
  });

  it('probes no more once it is closed for good', async () => {
    const breaker = openBreaker({ probed: true });
    fail(breaker, 5);
    breaker.close();
    await clock.advance(60_000);
    expect(probes).toBe(0);
    expect(clock.pending).toBe(0);
  });
});
