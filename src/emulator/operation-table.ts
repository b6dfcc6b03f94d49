import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import type { Drawing } from '../renderers/local/drawing.ts';
import type { QueuedDrawing } from '../renderers/local/drawing-queue.ts';
import { moderationMessage, type RenderRequest } from './render-request.ts';
import { RpcError } from '../rpc/rpc-error.ts';

/** The model version of every image, so that no one takes it for a model's. */
export const modelVersion = 'emulator-1 (local drawing, no model)';

/** Drawings that may be queued before their image is read. */
const queuedAheadMax = 16;
/** Far above the daily quota times the days of retention. */
const operationsMax = 100_000;

export interface OperationTableOptions {
  readonly retentionMs: number;
  /** Memory for finished images; others are drawn again when they are read. */
  readonly imageBytesMax: number;
  /** Whether operations have created_at and modified_at; recorded calls had neither. */
  readonly operationTimes: boolean;
  readonly renderer: Drawing;
}

interface Entry {
  readonly id: string;
  readonly renderRequest: RenderRequest;
  readonly acceptedAtMs: number;
  readonly doneAtMs: number;
  canceledAtMs: number | undefined;
  drawing: QueuedDrawing | undefined;
}

/** The operations of one emulator, until their retention ends. */
export class OperationTable {
  readonly #options: OperationTableOptions;
  readonly #entries = new Map<string, Entry>();
  /** Sizes of the images in memory, by operation id, least recently read first. */
  readonly #keptBytes = new Map<string, number>();
  #keptBytesTotal = 0;

  constructor(options: OperationTableOptions) {
    this.#options = options;
  }

  /** Adds an operation and starts to draw, so that the image is ready when the operation is done. */
  accept(
    id: string,
    renderRequest: RenderRequest,
    times: { readonly nowMs: number; readonly latencyMs: number },
  ): void {
    const { nowMs, latencyMs } = times;
    const entry: Entry = {
      id,
      renderRequest,
      acceptedAtMs: nowMs,
      doneAtMs: nowMs + latencyMs,
      canceledAtMs: undefined,
      drawing: undefined,
    };
    this.#entries.set(id, entry);
    this.#expire(nowMs);
    const { renderer } = this.#options;
    if (renderRequest.ending === 'image' && renderer.waitingCount < queuedAheadMax) {
      // A drawing that fails is tried again when the image is read.
      this.#draw(entry).image.catch(() => undefined);
    }
  }

  /** @throws RpcError NOT_FOUND for an id that is unknown or past its retention. */
  async get(id: string, nowMs: number): Promise<Operation> {
    this.#expire(nowMs);
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new RpcError(status.NOT_FOUND, `Operation ${id} not found`);
    return this.#operation(entry, nowMs);
  }

  /** Cancels an operation, unless it is done. */
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
    drawing.prioritize();
    return drawing.image;
  }

  #draw(entry: Entry): QueuedDrawing {
    const { drawing: request, mediaType } = entry.renderRequest;
    const drawing = this.#options.renderer.draw(request, mediaType);
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
      this.#dropImage(oldest);
    }
  }

  #dropImage(id: string): void {
    this.#keptBytesTotal -= this.#keptBytes.get(id) ?? 0;
    this.#keptBytes.delete(id);
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.drawing = undefined;
  }

  #expire(nowMs: number): void {
    // A Map iterates in order of insertion: the oldest operations first.
    for (const [id, { acceptedAtMs }] of this.#entries) {
      const isRetained = nowMs - acceptedAtMs < this.#options.retentionMs;
      if (isRetained && this.#entries.size <= operationsMax) return;
      this.#dropImage(id);
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
