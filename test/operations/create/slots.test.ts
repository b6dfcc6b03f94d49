import { create } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from 'vitest';
import { ImageGenerationRequestSchema } from '../../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { openCore, type Core } from '../../../src/operations/core.ts';
import { openOperationIds } from '../../../src/operations/operation-id.ts';
import type { StateStore } from '../../../src/state/state-store.ts';
import { storeUnavailable } from '../../../src/state/store-failure.ts';
import { SimulatedState, simulatedStore } from '../../simulation/simulated-store.ts';
import { FakeUpstream, runningOperation } from '../../support/fake-upstream.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const ids = openOperationIds({ current: Buffer.alloc(32, 1) });
const request = create(ImageGenerationRequestSchema, { modelUri: 'art://folder/model/latest' });

let clock: VirtualClock;
let upstream: FakeUpstream;
let state: SimulatedState;
let gateways = 0;

beforeEach(() => {
  clock = new VirtualClock();
  upstream = new FakeUpstream(clock, { latencyMs: 3_000 });
  state = new SimulatedState(() => clock.nowMs());
});

function openGateway({ store = simulatedStore(state), readsPerSecondMax = 1_000 } = {}): Core {
  const number = (gateways += 1);
  let names = 0;
  return openCore({
    upstream,
    store,
    clock,
    random: seededRandom(number),
    newName: () => `gateway ${number} ${(names += 1)}`,
    ids,
    readsPerSecondMax,
    resultCacheBytesMax: 1_000_000,
    imageMemoryBytesMax: 10_000_000,
    imageBytesMax: 1_000_000,
    trackedMax: 100,
    generateTimeoutMs: 15_000,
  });
}

/** What becomes of one create of a caller who may have two images made at a time. */
async function createOn(core: Core, subject = 'shop', withinMs = 50): Promise<string> {
  const requester = { subject, limits: { concurrentImagesMax: 2 } };
  const created = core.creates
    .create({ generate: request, requester }, { tenant: subject })
    .then(({ snapshot }) => snapshot.id)
    .catch((error: unknown) => String(error));
  await clock.advance(withinMs);
  return created;
}

const limited = /^GatewayError: rate_limited/;
const accepted = /^op_/;

describe('a slot in a limit of images at a time', () => {
  it('is free once any gateway has seen the end of its image', async () => {
    const [a, b] = [openGateway(), openGateway()];
    const made = [await createOn(a), await createOn(a)];
    expect(await createOn(a)).toMatch(limited);
    for (const id of made) {
      const waited = b.operations.wait(id, { tenant: 'shop', waitMs: 10_000 });
      await clock.advance(10_000);
      expect((await waited).state.status).toBe('succeeded');
    }
    expect(await createOn(a)).toMatch(accepted);
    expect(await createOn(b)).toMatch(accepted);
    expect(await createOn(b)).toMatch(limited);
  });

  it('is free on the gateway that had it made once the image is done, although no caller polls', async () => {
    const gateway = openGateway();
    await createOn(gateway);
    await createOn(gateway);
    await clock.advance(1_500);
    expect(await createOn(gateway)).toMatch(limited);
    await clock.advance(2_500);
    expect(await createOn(gateway)).toMatch(accepted);
    expect(upstream.counts.get).toBeLessThanOrEqual(4);
  });

  it('is free once one of several images is done, however few reads the upstream allows', async () => {
    const gateway = openGateway({ readsPerSecondMax: 50 });
    await createOn(gateway);
    await createOn(gateway);
    await clock.advance(4_000);
    // The first one takes longer, and its read uses up the rate.
    upstream.nextGets.push(runningOperation('upstream1'));
    expect(await createOn(gateway, 'shop', 2_000)).toMatch(accepted);
  });

  it('is free once its image is done, although other images have ended on another gateway', async () => {
    const [a, b] = [openGateway(), openGateway()];
    for (const id of [await createOn(a), await createOn(a)]) {
      const waited = b.operations.wait(id, { tenant: 'shop', waitMs: 10_000 });
      await clock.advance(10_000);
      expect((await waited).state.status).toBe('succeeded');
    }
    expect(await createOn(a)).toMatch(accepted);
    expect(await createOn(a)).toMatch(accepted);
    await clock.advance(4_000);
    expect(await createOn(a, 'shop', 1_000)).toMatch(accepted);
    expect(await createOn(a, 'shop', 1_000)).toMatch(accepted);
  });

  it('is free after a store that was too slow took it nevertheless', async () => {
    const store = simulatedStore(state);
    let isSlow = true;
    const takeClaims: StateStore['takeClaims'] = async (claims) => {
      const result = await store.takeClaims(claims);
      if (isSlow) throw storeUnavailable(new Error('took more than 250 ms'));
      return result;
    };
    const gateway = openGateway({ store: { ...store, takeClaims } });
    const unavailable = /^GatewayError: store_unavailable/;
    expect(await createOn(gateway)).toMatch(unavailable);
    expect(await createOn(gateway)).toMatch(unavailable);
    isSlow = false;
    expect(await createOn(gateway)).toMatch(accepted);
  });

  it('is free when images of the kind have long been done, although no caller polls anywhere', async () => {
    const [a, b] = [openGateway(), openGateway()];
    for (let count = 0; count < 8; count += 1) {
      const id = await createOn(b, 'blog');
      const waited = b.operations.wait(id, { tenant: 'blog', waitMs: 10_000 });
      await clock.advance(10_000);
      await waited;
    }
    await createOn(b);
    await createOn(b);
    expect(await createOn(a)).toMatch(limited);
    await clock.advance(61_000);
    expect(await createOn(a)).toMatch(accepted);
  });

  it('is free after two minutes where it is not known how long images take', async () => {
    const [a, b] = [openGateway(), openGateway()];
    await createOn(a);
    await createOn(a);
    await clock.advance(110_000);
    expect(await createOn(b)).toMatch(limited);
    await clock.advance(11_000);
    expect(await createOn(b)).toMatch(accepted);
  });

  it('is kept for an image that takes longer than others, while it is seen running', async () => {
    upstream = new FakeUpstream(clock, { latencyMs: 300_000 });
    const [a, b] = [openGateway(), openGateway()];
    const made = [await createOn(a), await createOn(a)];
    const waits = made.map((id) => b.operations.wait(id, { tenant: 'shop', waitMs: 200_000 }));
    await clock.advance(200_000);
    await Promise.all(waits);
    expect(await createOn(a)).toMatch(limited);
  });
});
