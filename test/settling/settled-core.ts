import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { systemClock, systemRandom } from '../../src/clock/system-clock.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { openCore } from '../../src/operations/core.ts';
import { simulatedIds } from '../simulation/simulated-gateway.ts';
import { SimulatedState, simulatedStore } from '../simulation/simulated-store.ts';
import { clientOf } from '../support/upstream-client.ts';

export type Reported = 'accepted' | 'not_started' | 'unknown';

/** The core of a gateway on a real connection to a real service. */
export interface SettledCore {
  /** One create under a key. @returns What its caller reads. */
  create(prompt: string, key: string): Promise<Reported>;
  close(): Promise<void>;
}

/** @param addresses Generate and Settle go to the first one, reads to the other. */
export function openSettledCore(
  addresses: { readonly address: string; readonly operationsAddress: string },
  storeId: string,
): SettledCore {
  const client = clientOf(addresses.address, {
    operationsAddress: addresses.operationsAddress,
    isService: true,
    // A cut is noticed at once; these limits are for a busy machine.
    ...{ generateTimeoutMs: 20_000, connectTimeoutMs: 20_000 },
  });
  const core = openCore({
    upstream: client,
    service: {
      storeId: async () => storeId,
      settle: (key, options) => client.settle(key, options),
    },
    store: simulatedStore(new SimulatedState(() => Date.now())),
    ...{ clock: systemClock, random: systemRandom, newName: randomUUID, ids: simulatedIds },
    ...{
      readsPerSecondMax: 1_000,
      resultCacheBytesMax: 1_000_000,
      imageMemoryBytesMax: 10_000_000,
    },
    ...{ imageBytesMax: 1_000_000, trackedMax: 1_000, generateTimeoutMs: 20_000, isService: true },
  });
  return {
    async create(prompt, key) {
      const generate = create(ImageGenerationRequestSchema, {
        modelUri: 'art://folder/yandex-art/latest',
        messages: [{ text: prompt, weight: 1 }],
        generationOptions: { seed: 7n },
      });
      const idempotency = { recordKey: key, fingerprint: prompt };
      const requester = { subject: 'anna', limits: {} };
      try {
        await core.creates.create({ generate, requester, idempotency }, { tenant: 'anna' });
        return 'accepted';
      } catch (error) {
        if (!(error instanceof GatewayError) || error.outcome === undefined) throw error;
        return error.outcome;
      }
    },
    async close() {
      core.creates.close();
      core.operations.close();
      await core.upstream.close();
    },
  };
}
