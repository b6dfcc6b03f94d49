import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  DescribeResponseSchema,
  type DescribeResponse,
} from '../../src/gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import { ServiceDescription } from '../../src/operations/service-description.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const storeOf = (storeId: string) => create(DescribeResponseSchema, { storeId });

let clock: VirtualClock;
let asks: number;
let answer: () => Promise<DescribeResponse>;
let changes: string[];
let failures: unknown[];
let description: ServiceDescription;

beforeEach(() => {
  clock = new VirtualClock();
  [asks, changes, failures] = [0, [], []];
  answer = async () => storeOf('first');
  description = new ServiceDescription({
    clock,
    describe: () => {
      asks += 1;
      return answer();
    },
    changed: ({ storeId }) => changes.push(storeId),
    failed: (error) => failures.push(error),
  });
});

const down = async () => {
  throw new Error('down');
};

describe('what the service says of itself', () => {
  it('is known after the first ask, and heard again from time to time', async () => {
    expect(description.current).toBeUndefined();
    await description.begin();
    expect(description.current?.storeId).toBe('first');
    await clock.advance(600_000);
    expect(asks).toBe(21);
    expect(changes).toEqual(['first']);
  });

  it('is asked for until the service responds, ever more rarely, and said to be missing once', async () => {
    answer = down;
    await description.begin();
    await clock.advance(3_600_000);
    expect(asks).toBeLessThan(150);
    expect(failures).toHaveLength(1);
    expect(description.current).toBeUndefined();
    answer = async () => storeOf('late');
    await clock.advance(30_000);
    expect(description.current?.storeId).toBe('late');
  });

  it('stays known while the service does not respond', async () => {
    await description.begin();
    answer = down;
    await clock.advance(3_600_000);
    expect(description.current?.storeId).toBe('first');
    expect(failures).toHaveLength(1);
  });

  it('is asked for within a second of a sign of change, however many there are', async () => {
    await description.begin();
    answer = async () => storeOf('second');
    for (let sign = 0; sign < 1_000; sign += 1) description.mayHaveChanged();
    await clock.advance(1_000);
    expect([asks, description.current?.storeId]).toEqual([2, 'second']);
    expect(changes).toEqual(['first', 'second']);
  });

  it('is not asked for after the end', async () => {
    await description.begin();
    await description.close();
    description.mayHaveChanged();
    await clock.advance(3_600_000);
    expect([asks, clock.pending]).toEqual([1, 0]);
  });
});
