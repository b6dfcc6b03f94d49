import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import type { Renderer } from './drawing/renderer.ts';
import type { QueuedDrawing } from './drawing/drawing-queue.ts';
import { moderationMessage, type RenderRequest } from './render-request.ts';
import { RpcError } from './rpc-error.ts';

/** Told with every image, so that nobody takes it for a model's. */
export const modelVersion = 'emulator-1 (local drawing, no model)';

/** Drawings that may stand in line before anybody asks for them. */
const drawnAheadMax = 16;
/** Far above what the daily quota lets in during the retention. */
const operationsMax = 100_000;

export interface OperationTableOptions {
  readonly retentionMs: number;
  /** Finished images kept in memory; others are drawn again when asked for. */
  readonly imageBytesMax: number;
  /** Whether created_at and modified_at are told; recorded calls did not. */
  readonly operationTimes: boolean;
  readonly renderer: Renderer;
}

interface Entry {
  readonly id: string;
  readonly renderRequest: RenderRequest;
  readonly acceptedAtMs: number;
  readonly doneAtMs: number;
  canceledAtMs: number | undefined;
  drawing: QueuedDrawing | undefined;
}

/** All operations of one emulator, for as long as they are retained. */
export class OperationTable {
  readonly #options: OperationTableOptions;
  readonly #entries = new Map<string, Entry>();
  /** Sizes of the images that are kept, by operation id, least recently read first. */
  readonly #keptBytes = new Map<string, number>();
  #keptBytesTotal = 0;

  constructor(options: OperationTableOptions) {
    this.#options = options;
  }

  /** Accepts an order; the drawing is begun, so that it is ready when its time comes. */
  accept(
    id: string,
    order: RenderRequest,
    times: { readonly nowMs: number; readonly latencyMs: number },
  ): void {
    const { nowMs, latencyMs } = times;
    const entry: Entry = {
      id,
      renderRequest: order,
      acceptedAtMs: nowMs,
      doneAtMs: nowMs + latencyMs,
      canceledAtMs: undefined,
      drawing: undefined,
    };
    this.#entries.set(id, entry);
    this.#expire(nowMs);
    const { renderer } = this.#options;
    if (order.ending === 'image' && renderer.waitingCount < drawnAheadMax) {
      // A drawing that fails is tried again when it is asked for; nobody listens yet.
      this.#draw(entry).image.catch(() => undefined);
    }
  }

  /** @throws Refusal NOT_FOUND for an id that is unknown or no longer retained. */
  async get(id: string, nowMs: number): Promise<Operation> {
    this.#expire(nowMs);
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new RpcError(status.NOT_FOUND, `Operation ${id} not found`);
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
    const { id, renderRequest, acceptedAtMs, doneAtMs, canceledAtMs } = entry;
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
    if (renderRequest.ending === 'refused-later') {
      return failed(operation, status.INVALID_ARGUMENT, moderationMessage);
    }
    if (renderRequest.ending === 'fails')
      return failed(operation, status.INTERNAL, 'generation failed');
    const response = create(ImageGenerationResponseSchema, {
      image: await this.#image(entry),
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

  #image(entry: Entry): Promise<Buffer> {
    const { id } = entry;
    const bytes = this.#keptBytes.get(id);
    if (bytes !== undefined) {
      this.#keptBytes.delete(id);
      this.#keptBytes.set(id, bytes);
    }
    const drawing = entry.drawing ?? this.#draw(entry);
    drawing.hurry();
    return drawing.image;
  }

  #draw(entry: Entry): QueuedDrawing {
    const { drawing: order, mediaType } = entry.renderRequest;
    const drawing = this.#options.renderer.draw(order, mediaType);
    entry.drawing = drawing;
    drawing.image.then(
      (image) => this.#keep(entry.id, image.length),
      () => (entry.drawing = undefined),
    );
    return drawing;
  }

  #keep(id: string, bytes: number): void {
    if (!this.#entries.has(id)) return;
    this.#keptBytes.set(id, bytes);
    this.#keptBytesTotal += bytes;
    for (const oldest of this.#keptBytes.keys()) {
      if (this.#keptBytesTotal <= this.#options.imageBytesMax) return;
      this.#letGo(oldest);
    }
  }

  #letGo(id: string): void {
    this.#keptBytesTotal -= this.#keptBytes.get(id) ?? 0;
    this.#keptBytes.delete(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.drawing = undefined;
  }

  #expire(nowMs: number): void {
    // A Map iterates in order of insertion, which is the order of acceptance.
    for (const [id, { acceptedAtMs }] of this.#entries) {
      const isRetained = nowMs - acceptedAtMs < this.#options.retentionMs;
      if (isRetained && this.#entries.size <= operationsMax) return;
      this.#letGo(id);
      this.#entries.delete(id);
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
