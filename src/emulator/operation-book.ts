import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import type { Draftsman } from './drawing/draw.ts';
import { moderationMessage, type Order } from './order.ts';
import { Refusal } from './refusal.ts';

/** Told with every picture, so that nobody takes it for a model's. */
export const modelVersion = 'emulator-1 (local drawing, no model)';

export interface BookOptions {
  readonly retentionMs: number;
  /** Finished pictures kept in memory; older ones are drawn again when asked for. */
  readonly picturesMax: number;
  /** Whether created_at and modified_at are told; recorded calls did not. */
  readonly operationTimes: boolean;
  readonly draftsman: () => Promise<Draftsman>;
}

interface Entry {
  readonly id: string;
  readonly order: Order;
  readonly acceptedAtMs: number;
  readonly doneAtMs: number;
  canceledAtMs: number | undefined;
  picture: Promise<Buffer> | undefined;
}

/** All operations of one emulator, for as long as they are retained. */
export class OperationBook {
  readonly #options: BookOptions;
  readonly #entries = new Map<string, Entry>();
  /** Ids whose picture is kept, oldest first. */
  readonly #kept = new Set<string>();

  constructor(options: BookOptions) {
    this.#options = options;
  }

  /** Accepts an order; the drawing begins at once, so that it is ready when its time comes. */
  accept(
    id: string,
    order: Order,
    times: { readonly nowMs: number; readonly latencyMs: number },
  ): void {
    const { nowMs, latencyMs } = times;
    const entry: Entry = {
      id,
      order,
      acceptedAtMs: nowMs,
      doneAtMs: nowMs + latencyMs,
      canceledAtMs: undefined,
      picture: undefined,
    };
    this.#entries.set(id, entry);
    this.#expire(nowMs);
    if (order.ending !== 'picture') return;
    // A drawing that fails is tried again when it is asked for; nobody listens yet.
    this.#picture(entry).catch(() => undefined);
  }

  /** @throws Refusal NOT_FOUND for an id that is unknown or no longer retained. */
  async get(id: string, nowMs: number): Promise<Operation> {
    this.#expire(nowMs);
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Refusal(status.NOT_FOUND, `Operation ${id} not found`);
    return this.#operation(entry, nowMs);
  }

  /** A finished operation stays as it is. */
  async cancel(id: string, nowMs: number): Promise<Operation> {
    const operation = await this.get(id, nowMs);
    const entry = this.#entries.get(id);
    if (operation.done || entry === undefined) return operation;
    entry.canceledAtMs = nowMs;
    return this.#operation(entry, nowMs);
  }

  async #operation(entry: Entry, nowMs: number): Promise<Operation> {
    const { id, order, acceptedAtMs, doneAtMs, canceledAtMs } = entry;
    const endedAtMs = canceledAtMs ?? (nowMs >= doneAtMs ? doneAtMs : undefined);
    const operation = create(OperationSchema, {
      id,
      done: endedAtMs !== undefined,
      ...(this.#options.operationTimes && {
        createdAt: timestampFromMs(acceptedAtMs),
        modifiedAt: timestampFromMs(endedAtMs ?? acceptedAtMs),
      }),
    });
    if (endedAtMs === undefined) return operation;
    if (canceledAtMs !== undefined)
      return failed(operation, status.CANCELLED, 'operation was cancelled');
    if (order.ending === 'refused-later') {
      return failed(operation, status.INVALID_ARGUMENT, moderationMessage);
    }
    if (order.ending === 'fails') return failed(operation, status.INTERNAL, 'generation failed');
    const response = create(ImageGenerationResponseSchema, {
      image: await this.#picture(entry),
      modelVersion,
    });
    operation.result = {
      case: 'response',
      value: {
        $typeName: 'google.protobuf.Any',
        typeUrl: `type.googleapis.com/${ImageGenerationResponseSchema.typeName}`,
        value: toBinary(ImageGenerationResponseSchema, response),
      },
    };
    return operation;
  }

  async #picture(entry: Entry): Promise<Buffer> {
    entry.picture ??= this.#draw(entry);
    try {
      return await entry.picture;
    } catch (error) {
      entry.picture = undefined;
      throw error;
    }
  }

  async #draw({ id, order }: Entry): Promise<Buffer> {
    const draftsman = await this.#options.draftsman();
    const picture = await draftsman.draw(order.drawing, order.mediaType);
    this.#kept.add(id);
    for (const oldest of this.#kept) {
      if (this.#kept.size <= this.#options.picturesMax) break;
      this.#kept.delete(oldest);
      const entry = this.#entries.get(oldest);
      if (entry !== undefined) entry.picture = undefined;
    }
    return picture;
  }

  #expire(nowMs: number): void {
    // A Map iterates in order of insertion, which is the order of acceptance.
    for (const [id, { acceptedAtMs }] of this.#entries) {
      if (nowMs - acceptedAtMs < this.#options.retentionMs) return;
      this.#entries.delete(id);
      this.#kept.delete(id);
    }
  }
}

function failed(operation: Operation, code: number, message: string): Operation {
  operation.result = {
    case: 'error',
    value: { $typeName: 'google.rpc.Status', code, message, details: [] },
  };
  return operation;
}
