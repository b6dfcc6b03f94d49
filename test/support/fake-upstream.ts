import { create, toBinary } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { ImageGenerationResponseSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  OperationSchema,
  type Operation,
} from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import type { Clock } from '../../src/clock/clock.ts';
import type { UpstreamClient } from '../../src/upstream/upstream-client.ts';

const typePrefix = 'type.googleapis.com/';

/** The smallest bytes that pass for an image: a PNG header of 2×1 pixels. */
export const tinyPng = Buffer.from(
  '89504e470d0a1a0a0000000d49484452000000020000000108020000007b40e8dd',
  'hex',
);

/** An operation that is done, with these bytes as its image. */
export function succeededOperation(id: string, image: Uint8Array = tinyPng): Operation {
  const value = toBinary(
    ImageGenerationResponseSchema,
    create(ImageGenerationResponseSchema, { image }),
  );
  return create(OperationSchema, {
    id,
    done: true,
    result: {
      case: 'response',
      value: { typeUrl: typePrefix + ImageGenerationResponseSchema.typeName, value },
    },
  });
}

/** An operation that ended with an error; the vendor also sends one that is not done. */
export function failedOperation(id: string, code: number, message: string, done = true): Operation {
  return create(OperationSchema, {
    id,
    done,
    result: { case: 'error', value: { code, message, details: [] } },
  });
}

export function runningOperation(id: string): Operation {
  return create(OperationSchema, { id });
}

/** An upstream without a network, on a virtual clock. Every operation is done after `latencyMs`. */
export class FakeUpstream implements UpstreamClient {
  readonly ready = true;
  readonly counts = { generate: 0, get: 0, cancel: 0, probe: 0 };
  /** While set, every call fails. */
  isDead = false;
  /** Most Gets of one operation that were under way at once. */
  getsAtOnceMax = 0;
  /** Results of the next Gets, in place of the usual ones; a GatewayError is thrown. */
  readonly nextGets: (Operation | GatewayError)[] = [];
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #startedAtMs = new Map<string, number>();
  readonly #canceled = new Set<string>();
  readonly #underWay = new Map<string, number>();

  constructor(clock: Clock, options: { readonly latencyMs: number }) {
    this.#clock = clock;
    this.#latencyMs = options.latencyMs;
  }

  async generate(): Promise<Operation> {
    this.counts.generate += 1;
    if (this.isDead) {
      throw new GatewayError('upstream_unavailable', 'dead', { outcome: 'unknown' });
    }
    const id = `upstream${this.counts.generate}`;
    this.#startedAtMs.set(id, this.#clock.elapsedMs());
    return runningOperation(id);
  }

  async getOperation(id: string): Promise<Operation> {
    this.counts.get += 1;
    const atOnce = (this.#underWay.get(id) ?? 0) + 1;
    this.#underWay.set(id, atOnce);
    this.getsAtOnceMax = Math.max(this.getsAtOnceMax, atOnce);
    await new Promise<void>((resolve) => this.#clock.after(5, resolve));
    this.#underWay.set(id, atOnce - 1);
    if (this.isDead) throw new GatewayError('upstream_unavailable', 'dead');
    const next = this.nextGets.shift();
    if (next instanceof GatewayError) throw next;
    return next ?? this.#now(id);
  }

  async cancelOperation(id: string): Promise<Operation> {
    this.counts.cancel += 1;
    this.#canceled.add(id);
    return this.#now(id);
  }

  async probe(): Promise<void> {
    this.counts.probe += 1;
    if (this.isDead) throw new GatewayError('upstream_unavailable', 'dead');
  }

  async close(): Promise<void> {}

  #now(id: string): Operation {
    const startedAtMs = this.#startedAtMs.get(id);
    if (startedAtMs === undefined)
      throw new GatewayError('operation_not_found', 'no such operation');
    if (this.#canceled.has(id)) return failedOperation(id, 1, 'operation was cancelled');
    const isDone = this.#clock.elapsedMs() - startedAtMs >= this.#latencyMs;
    return isDone ? succeededOperation(id) : runningOperation(id);
  }
}
