import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { RequesterLimits } from '../../src/operations/create/admission.ts';
import type { SimulatedGateway } from './simulated-gateway.ts';
import type { World } from './world.ts';

/** One image that a caller intends to get, however often it has to ask. */
export interface Intent {
  readonly name: string;
  readonly prompt: string;
  /** Absent: the intent is not repeated under a key, each request is one of its own. */
  readonly key?: string | undefined;
  readonly subject: string;
  readonly limits: Pick<
    RequesterLimits,
    'imagesPerDayMax' | 'imagesPerMinuteMax' | 'concurrentImagesMax'
  >;
}

/** What a caller observes of one request. */
export type Observation =
  | { readonly kind: 'accepted'; readonly id: string; readonly isReplay: boolean }
  | { readonly kind: 'not_started' | 'unknown'; readonly reason: string }
  /** The connection broke, or the caller gave up. */
  | { readonly kind: 'none' };

/** One request of an intent. */
export interface Attempt {
  readonly name: string;
  readonly intent: Intent;
  readonly atMs: number;
  observed: Observation;
}

const patienceMs = 60_000;

/** Sends one request to a gateway. Resolves with what the caller observes. */
export function ask(
  intent: Intent,
  {
    world,
    gateway,
    name,
  }: {
    readonly world: World;
    readonly gateway: SimulatedGateway;
    readonly name: string;
  },
): Promise<Attempt> {
  const { chance, faults, time } = world;
  const attempt: Attempt = { name, intent, atMs: time.nowMs, observed: { kind: 'none' } };
  return new Promise((resolve) => {
    const end = (observed: Observation) => {
      if (isOver) return;
      isOver = true;
      attempt.observed = observed;
      const reason = 'reason' in observed ? observed.reason : '';
      world.note(`observed ${observed.kind}`, `${name} ${reason}`);
      resolve(attempt);
    };
    let isOver = false;
    time.after(patienceMs, () => end({ kind: 'none' }));
    if (!gateway.isAlive) return end({ kind: 'none' });
    gateway.onDeath(() => end({ kind: 'none' }));
    void created(intent, { gateway, name }).then((observed) =>
      end(chance.often(faults.loss) ? { kind: 'none' } : observed),
    );
  });
}

async function created(
  intent: Intent,
  { gateway, name }: { readonly gateway: SimulatedGateway; readonly name: string },
): Promise<Observation> {
  const { subject, key, prompt, limits } = intent;
  try {
    const { snapshot, isReplay } = await gateway.core.creates.create(
      {
        generate: create(ImageGenerationRequestSchema, {
          modelUri: 'art://folder/model/latest',
          messages: [{ text: prompt }],
        }),
        requester: { subject, limits },
        idempotency:
          key === undefined ? undefined : { recordKey: `${subject} ${key}`, fingerprint: prompt },
      },
      { tenant: subject, traceparent: name },
    );
    return { kind: 'accepted', id: snapshot.id, isReplay };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { outcome, reason } = error;
    if (outcome !== 'not_started' && outcome !== 'unknown') {
      throw new Error(`a create failed without saying what was spent: ${reason}`, { cause: error });
    }
    return { kind: outcome, reason };
  }
}
