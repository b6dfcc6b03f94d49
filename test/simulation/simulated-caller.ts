import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { SimulatedGateway } from './simulated-gateway.ts';
import type { World } from './world.ts';

/** One image that somebody wants, however often they have to ask. */
export interface Wish {
  readonly name: string;
  readonly prompt: string;
  /** Absent: the wish is not repeated under a key, each request is one of its own. */
  readonly key?: string | undefined;
  readonly subject: string;
  readonly imagesPerDayMax?: number | undefined;
}

/** What a request was told. */
export type Told =
  | { readonly kind: 'accepted'; readonly id: string; readonly isReplay: boolean }
  | { readonly kind: 'not_started' | 'unknown'; readonly reason: string }
  /** The connection broke, or the caller had enough. */
  | { readonly kind: 'nothing' };

export interface Attempt {
  readonly name: string;
  readonly wish: Wish;
  readonly atMs: number;
  told: Told;
}

const patienceMs = 60_000;

/** Sends one request to a gateway. Resolves with what the caller is told. */
export function ask(
  wish: Wish,
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
  const attempt: Attempt = { name, wish, atMs: time.nowMs, told: { kind: 'nothing' } };
  return new Promise((resolve) => {
    const end = (told: Told) => {
      if (isOver) return;
      isOver = true;
      attempt.told = told;
      world.note(`told ${told.kind}`, `${name} ${'reason' in told ? told.reason : ''}`);
      resolve(attempt);
    };
    let isOver = false;
    time.after(patienceMs, () => end({ kind: 'nothing' }));
    if (!gateway.isAlive) return end({ kind: 'nothing' });
    gateway.onDeath(() => end({ kind: 'nothing' }));
    void created(wish, { gateway, name }).then((told) =>
      end(chance.often(faults.loss) ? { kind: 'nothing' } : told),
    );
  });
}

async function created(
  wish: Wish,
  { gateway, name }: { readonly gateway: SimulatedGateway; readonly name: string },
): Promise<Told> {
  const { subject, key, prompt, imagesPerDayMax } = wish;
  try {
    const { snapshot, isReplay } = await gateway.core.creates.create(
      {
        generate: create(ImageGenerationRequestSchema, {
          modelUri: 'art://folder/model/latest',
          messages: [{ text: prompt }],
        }),
        requester: { subject, limits: { imagesPerDayMax } },
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
      throw new Error(`a create failed and said nothing of the money: ${reason}`, { cause: error });
    }
    return { kind: outcome, reason };
  }
}
