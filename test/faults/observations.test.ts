import { expect, it } from 'vitest';
import { Observations, type ObservedCreate, type ObservedRead } from './observations.ts';

const running = { kind: 'running' } as const;
const finished = (aspects: Record<string, string>) => ({ kind: 'finished', aspects }) as const;

function create(change: Partial<ObservedCreate>): ObservedCreate {
  return {
    marker: 'a cat',
    httpStatus: 202,
    reported: 'accepted',
    code: '',
    id: 'op_1',
    tookMs: 10,
    limitMs: 1_000,
    ...change,
  };
}

function read(startMs: number, state: ObservedRead['state'], id = 'op_1'): ObservedRead {
  return { id, by: 'a waiter', startMs, endMs: startMs + 10, limitMs: 1_000, state };
}

function audit(
  creates: readonly ObservedCreate[],
  reads: readonly ObservedRead[],
  billedTimes = 0,
): readonly string[] {
  const observations = new Observations();
  observations.creates.push(...creates);
  observations.reads.push(...reads);
  return observations.audit(new Map([['a cat', billedTimes]]));
}

it('a create is compared with the upstream’s ledger', () => {
  expect(audit([create({})], [], 1)).toEqual([]);
  expect(audit([create({ reported: 'not_started' })], [], 1)).toHaveLength(1);
});

it.each([
  ['without a response', { reported: 'none' }],
  ['with a late response', { tookMs: 1_001 }],
] as const)('a create %s is noticed', (_, change) => {
  expect(audit([create(change)], [], 1)).toHaveLength(1);
});

it('an operation may be running, and then always has the same end', () => {
  const reads = [
    read(0, running),
    read(20, finished({ status: 'succeeded', seed: '7' })),
    // Requested before another caller saw the end.
    read(25, running),
    read(40, finished({ status: 'succeeded', sha256: 'aa' })),
    read(60, running, 'op_2'),
  ];
  expect(audit([], reads)).toEqual([]);
});

it.each([
  ['another status', finished({ status: 'failed' })],
  ['other bytes', finished({ status: 'succeeded', sha256: 'bb' })],
  ['another seed', finished({ status: 'succeeded', seed: '8' })],
  ['a running operation', running],
])('%s after the end is noticed', (_, later) => {
  const first = read(0, finished({ status: 'succeeded', seed: '7', sha256: 'aa' }));
  expect(audit([], [first, read(20, later)])).toHaveLength(1);
});

it('a late response is noticed', () => {
  expect(audit([], [{ ...read(0, running), endMs: 1_001 }])).toHaveLength(1);
});
