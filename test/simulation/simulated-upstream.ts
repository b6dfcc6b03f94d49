import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  OperationSchema,
  type Operation,
} from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { succeededOperation } from '../support/fake-upstream.ts';
import type { World } from './world.ts';

/** One entry of the spend ledger. */
export interface Bill {
  readonly upstreamId: string;
  readonly prompt: string;
  /** Which request of which caller made the gateway send it. */
  readonly attempt: string;
  readonly atMs: number;
}

/** The upstream itself: bills every request that arrives, and can't tell a repetition from a second request. */
export class SimulatedUpstream {
  readonly ledger: Bill[] = [];
  readonly #world: World;
  readonly #doneAtMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @throws GatewayError when it refuses, which costs nothing. */
  generate(request: ImageGenerationRequest, attempt: string): Operation {
    const { chance, faults, time } = this.#world;
    if (chance.often(faults.refusal)) {
      this.#world.note('upstream refused', attempt);
      throw new GatewayError('upstream_error', 'refused', { outcome: 'not_started' });
    }
    const upstreamId = `upstream-${this.ledger.length + 1}`;
    const prompt = request.messages[0]?.text ?? '';
    this.ledger.push({ upstreamId, prompt, attempt, atMs: time.nowMs });
    this.#doneAtMs.set(upstreamId, time.nowMs + chance.spread(500, 30_000));
    this.#world.note('billed', `${upstreamId} for ${attempt}`);
    return create(OperationSchema, { id: upstreamId });
  }

  /** A response costs nothing and shows that it is alive. */
  probe(): void {
    this.#world.note('probed');
  }

  get(upstreamId: string): Operation {
    const doneAtMs = this.#doneAtMs.get(upstreamId);
    if (doneAtMs === undefined) throw new GatewayError('operation_not_found', 'no such operation');
    return this.#world.time.nowMs < doneAtMs
      ? create(OperationSchema, { id: upstreamId })
      : succeededOperation(upstreamId);
  }
}
