import { beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { ClientAttempts } from '../../../src/operations/create/client-attempts.ts';
import { SimulatedState, simulatedStore } from '../../simulation/simulated-store.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const equal = { recordKey: 'key', fingerprint: 'one' };
let state: SimulatedState;
let clock: VirtualClock;
let names: number;

beforeEach(() => {
  clock = new VirtualClock();
  state = new SimulatedState(() => clock.nowMs());
  names = 0;
});

function gateway(): ClientAttempts {
  return new ClientAttempts({
    store: simulatedStore(state),
    newName: () => {
      names += 1;
      return `attempt ${names}`;
    },
  });
}

describe('a retry', () => {
  it('joins the equal request whose caller hung up, not the one that still waits', async () => {
    const attempts = gateway();
    const first = await attempts.take(equal, 0);
    const second = await attempts.take(equal, 0);
    await second.leave(false);
    expect((await attempts.take(equal, 1)).name).toBe(second.name);
    await first.leave(false);
    expect((await attempts.take(equal, 1)).name).toBe(first.name);
  });

  it('joins the oldest of several that hung up, and each one once', async () => {
    const attempts = gateway();
    const taken = [];
    for (let request = 0; request < 3; request += 1) taken.push(await attempts.take(equal, 0));
    for (const attempt of taken) await attempt.leave(false);
    const joined = [];
    for (let retry = 0; retry < 3; retry += 1) joined.push((await attempts.take(equal, 1)).name);
    expect(joined).toEqual(taken.map(({ name }) => name));
  });

  it('joins the oldest that waits where no hang-up was seen', async () => {
    const attempts = gateway();
    const [first, second] = [await attempts.take(equal, 0), await attempts.take(equal, 0)];
    expect((await attempts.take(equal, 1)).name).toBe(first.name);
    expect((await attempts.take(equal, 1)).name).toBe(second.name);
    // The late end of the first request does not end the retry that holds its attempt now.
    await first.leave(false);
    await second.leave(false);
    expect((await attempts.take(equal, 2)).name).toBe(first.name);
  });

  it('of a retry joins the attempt that was retried as often as it says', async () => {
    const attempts = gateway();
    const [first, second] = [await attempts.take(equal, 0), await attempts.take(equal, 0)];
    await first.leave(false);
    await second.leave(false);
    const retry = await attempts.take(equal, 1);
    await retry.leave(false);
    expect((await attempts.take(equal, 2)).name).toBe(first.name);
    expect((await attempts.take(equal, 1)).name).toBe(second.name);
  });

  it('joins a delivered attempt only where there is no other', async () => {
    const attempts = gateway();
    const first = await attempts.take(equal, 0);
    await first.leave(true);
    expect((await attempts.take(equal, 1)).name).toBe(first.name);
    const second = await attempts.take(equal, 0);
    expect((await attempts.take(equal, 1)).name).toBe(second.name);
  });

  it('of a request that no gateway knows is an attempt of its own', async () => {
    const attempts = gateway();
    const lost = await attempts.take(equal, 2);
    await lost.leave(false);
    expect((await attempts.take(equal, 3)).name).toBe(lost.name);
    expect((await attempts.take({ ...equal, recordKey: 'other' }, 1)).name).not.toBe(lost.name);
  });

  it('is known by every gateway that shares the store', async () => {
    const [one, another] = [gateway(), gateway()];
    const first = await one.take(equal, 0);
    const second = await another.take(equal, 0);
    await first.leave(false);
    expect((await another.take(equal, 1)).name).toBe(first.name);
    await second.leave(false);
    expect((await one.take(equal, 1)).name).toBe(second.name);
  });

  it('finds its attempt whatever happens at the same time', async () => {
    const [one, another] = [gateway(), gateway()];
    const taken = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? one : another).take(equal, 0)),
    );
    const left = taken.map((attempt) => attempt.leave(false));
    const joined = await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? another : one).take(equal, 1)),
    );
    await Promise.all(left);
    const nameOf = ({ name }: { readonly name: string }) => name;
    expect(joined.map(nameOf).toSorted()).toEqual(taken.map(nameOf).toSorted());
  });
});

it('a first attempt never joins another', async () => {
  const attempts = gateway();
  const first = await attempts.take(equal, 0);
  await first.leave(false);
  expect((await attempts.take(equal, 0)).name).not.toBe(first.name);
});

it('the attempts kept of one caller are bounded, and what was delivered goes first', async () => {
  const attempts = gateway();
  const open = await attempts.take(equal, 0);
  for (let request = 0; request < 40; request += 1) {
    await (await attempts.take(equal, 0)).leave(true);
  }
  await open.leave(false);
  expect((await attempts.take(equal, 1)).name).toBe(open.name);
});

it('a store that fails refuses the request, and loses no end that matters', async () => {
  const broken = new GatewayError('store_unavailable', 'gone');
  const store = simulatedStore(state);
  let isBroken = false;
  const attempts = new ClientAttempts({
    store: {
      ...store,
      swapRecord: (key, expected, write) =>
        isBroken ? Promise.reject(broken) : store.swapRecord(key, expected, write),
    },
    newName: () => 'attempt',
  });
  const first = await attempts.take(equal, 0);
  isBroken = true;
  await expect(attempts.take(equal, 1)).rejects.toThrow(broken);
  await first.leave(false);
  isBroken = false;
  expect((await attempts.take(equal, 1)).name).toBe(first.name);
});
