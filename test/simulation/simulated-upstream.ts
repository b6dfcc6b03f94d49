import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  OperationSchema,
  type Operation,
} from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { succeededOperation } from '../support/fake-upstream.ts';
import type { ServiceKey } from '../../src/upstream/call/call-metadata.ts';
import type { World } from './world.ts';

/** One entry of the spend ledger. */
export interface Bill {
  readonly upstreamId: string;
  readonly prompt: string;
  /** Which request of which caller made the gateway send it. */
  readonly attempt: string;
  readonly atMs: number;
}

/**
 * The upstream itself: bills every request that arrives, and can't tell a
 * repetition from a second request. As the service it knows keys, which it can settle.
 */
export class SimulatedUpstream {
  readonly ledger: Bill[] = [];
  readonly #world: World;
  /** By store and key: the operation, or `never` where there will never be one. */
  readonly #keys = new Map<string, string>();
  readonly #doneAtMs = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** @throws GatewayError when it refuses, which costs nothing. */
  generate(request: ImageGenerationRequest, attempt: string, key?: ServiceKey): Operation {
    const { chance, faults, time } = this.#world;
    const known = key && this.#rowOf(key);
    if (key !== undefined && known !== undefined) {
      this.#world.note(known === 'never' ? 'settled key refused' : 'key repeated', attempt);
      throw refused('not_started');
    }
    if (chance.often(faults.refusal)) {
      this.#world.note('upstream refused', attempt);
      throw new GatewayError('upstream_error', 'refused', { outcome: 'not_started' });
    }
    const upstreamId = `upstream-${this.ledger.length + 1}`;
    const prompt = request.messages[0]?.text ?? '';
    if (key !== undefined) this.#keys.set(nameOf(key), upstreamId);
    this.ledger.push({ upstreamId, prompt, attempt, atMs: time.nowMs });
    this.#doneAtMs.set(upstreamId, time.nowMs + chance.spread(500, 30_000));
    this.#world.note('billed', `${upstreamId} for ${attempt}`);
    return create(OperationSchema, { id: upstreamId });
  }

  /** @throws GatewayError while another service is behind the address. */
  describe(): string {
    if (this.#world.isOtherStore) throw refused('not_started');
    return storeId;
  }

  /** @throws GatewayError when it is meant for another store. */
  settle(key: ServiceKey): Operation | undefined {
    const settled = this.#rowOf(key) ?? 'never';
    this.#keys.set(nameOf(key), settled);
    this.#world.note(settled === 'never' ? 'settled never' : 'settled accepted');
    return settled === 'never' ? undefined : create(OperationSchema, { id: settled });
  }

  #rowOf(key: ServiceKey): string | undefined {
    if (!this.#world.isOtherStore) return this.#keys.get(nameOf(key));
    this.#world.note('other store refused');
    throw refused('not_started');
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

const storeId = 'the store';

function refused(outcome: 'not_started'): GatewayError {
  return new GatewayError('upstream_unavailable', 'refused', { outcome, isUpstreamFailure: false });
}

function nameOf({ storeId, key }: ServiceKey): string {
  return `${storeId} ${key}`;
}
