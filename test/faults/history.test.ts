import { expect, it } from 'vitest';
import { History, type CreateEntry, type Telling } from './history.ts';

const running = { kind: 'running' } as const;
const finished = (aspects: Record<string, string>) => ({ kind: 'finished', aspects }) as const;
const spent = (count: number) => new Map([['a cat', count]]);

function create(change: Partial<CreateEntry>): CreateEntry {
  return {
    marker: 'a cat',
    httpStatus: 202,
    spend: 'accepted',
    code: '',
    id: 'op_1',
    tookMs: 10,
    limitMs: 1_000,
    ...change,
  };
}

function telling(beganMs: number, told: Telling['told'], id = 'op_1'): Telling {
  return { id, by: 'a waiter', beganMs, endedMs: beganMs + 10, limitMs: 1_000, told };
}

function faultsOf(creates: readonly CreateEntry[], tellings: readonly Telling[], times: number) {
  const history = new History();
  history.creates.push(...creates);
  history.tellings.push(...tellings);
  return history.faults(spent(times));
}

it.each([
  ['accepted, and made once', 'accepted', 1],
  ['not started, and not made', 'not_started', 0],
  ['unknown, and made', 'unknown', 1],
  ['unknown, and not made', 'unknown', 0],
] as const)('a create that was told %s is honest', (_, spend, times) => {
  expect(faultsOf([create({ spend })], [], times)).toEqual([]);
});

it.each([
  ['accepted, and never made', { spend: 'accepted' }, 0],
  ['accepted, and made twice', { spend: 'accepted' }, 2],
  ['not started, and made', { spend: 'not_started' }, 1],
  ['unknown, and made twice', { spend: 'unknown' }, 2],
  ['nothing at all', { spend: 'nothing' }, 0],
  ['the truth, too late', { tookMs: 1_001 }, 1],
] as const)('a create that was told %s is noticed', (_, change, times) => {
  expect(faultsOf([create(change)], [], times)).toHaveLength(1);
});

it('an operation may be told running, and then for ever the same end', () => {
  const told = [
    telling(0, running),
    telling(20, finished({ status: 'succeeded', seed: '7' })),
    // Asked before the end was told to another.
    telling(25, running),
    telling(40, finished({ status: 'succeeded', sha256: 'aa' })),
    telling(60, running, 'op_2'),
  ];
  expect(faultsOf([], told, 0)).toEqual([]);
});

it.each([
  ['another status', finished({ status: 'failed' })],
  ['other bytes', finished({ status: 'succeeded', sha256: 'bb' })],
  ['another seed', finished({ status: 'succeeded', seed: '8' })],
  ['that it is running', running],
])('whoever is told %s after the end is noticed', (_, later) => {
  const first = telling(0, finished({ status: 'succeeded', seed: '7', sha256: 'aa' }));
  expect(faultsOf([], [first, telling(20, later)], 0)).toHaveLength(1);
});

it('whoever is told too late is noticed', () => {
  expect(faultsOf([], [{ ...telling(0, running), endedMs: 1_001 }], 0)).toHaveLength(1);
});
