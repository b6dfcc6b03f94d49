import { fromBinary } from '@bufbuild/protobuf';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import type { Status } from '../../src/gen/google/rpc/status_pb.ts';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { connectGrpc, type GrpcClient } from '../support/grpc-client.ts';
import type { CountedRequests } from './counting-backend.ts';
import type { ServiceProcess } from './service-process.ts';

const createsAtOnce = 4;
const settleMs = 60_000;
const settleMsEach = 400;
const pauseMs = 20;

/** Who has images made by a service that ends again and again, and checks what became of each. */
export class Customers {
  readonly #model: string;
  readonly #accepted = new Set<string>();
  attempted = 0;
  readonly broken: string[] = [];
  readonly seen = new Map<string, number>();

  constructor(model: string) {
    this.#model = model;
  }

  /** Sends creates until the service is gone; remembers what was accepted. */
  async createUntilGone(port: string, service: ServiceProcess, creates: number): Promise<void> {
    const grpc = connectGrpc(`http://127.0.0.1:${port}`);
    let left = creates;
    const createOnes = async () => {
      while (!service.isGone && left > 0) {
        left -= 1;
        await this.#create(grpc);
      }
    };
    await Promise.all(Array.from({ length: createsAtOnce }, createOnes));
    await service.gone;
    grpc.client.close();
  }

  async #create(grpc: GrpcClient): Promise<void> {
    this.attempted += 1;
    try {
      const { id } = await grpc.call(ImageGenerationAsyncService.method.generate, {
        modelUri: `art://local/${this.#model}`,
        messages: [{ text: `cat ${this.attempted}`, weight: 1 }],
        generationOptions: {
          seed: 7n,
          mimeType: this.attempted % 4 === 0 ? 'image/jpeg' : 'image/png',
        },
      });
      this.#accepted.add(id);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  /** Waits until every operation has ended, and compares its end with what the backend counted. */
  async lookAtAll(
    grpc: GrpcClient,
    requests: ReadonlyMap<string, CountedRequests> | undefined,
  ): Promise<void> {
    const untilMs = performance.now() + settleMs + this.#accepted.size * settleMsEach;
    this.#count('accepted', this.#accepted.size);
    for (const id of this.#accepted) {
      const operation = await ended(grpc, id, untilMs).catch((error: unknown) => String(error));
      if (typeof operation === 'string') this.broken.push(`${id}: ${operation}`);
      else this.#check(operation, requests?.get(id), requests !== undefined);
    }
  }

  #check(
    { id, result }: Operation,
    { billed, refused }: CountedRequests = { billed: 0, refused: 0 },
    isBilled: boolean,
  ): void {
    if (billed > 1) this.broken.push(`${id} was paid ${billed} times`);
    if (refused > 0) this.#count('refused requests', refused);
    if (result.case === 'response') {
      const { image } = fromBinary(ImageGenerationResponseSchema, result.value.value);
      const isImage = image[0] === 0xff || image[0] === 0x89;
      if (!isImage) this.broken.push(`${id} has no image`);
      if (isBilled && billed === 0) this.broken.push(`${id} has an image that no one made`);
      return this.#count('image');
    }
    if (result.case !== 'error') return void this.broken.push(`${id} has no result`);
    this.#checkFailure(id, result.value, { billed, refused });
  }

  #checkFailure(id: string, status: Status, { billed, refused }: CountedRequests): void {
    const isUnknown = status.details.some(
      ({ typeUrl, value }) =>
        typeUrl.endsWith(ErrorInfoSchema.typeName) &&
        fromBinary(ErrorInfoSchema, value).reason === 'OUTCOME_UNKNOWN',
    );
    if (isUnknown) {
      // Of a request that was written down and not yet sent, no one can tell either.
      return this.#count(billed > 0 ? 'paid and reported as lost' : 'reported as lost, not paid');
    }
    // Three ends of the process during one operation: it may be what ends it.
    const isCountedOut = status.code === 13 && status.message.startsWith('the service ended');
    if (isCountedOut && billed === 0)
      return this.#count('counted out after three ends during them');
    const isRefusal = status.code === 3 && refused > 0 && billed === 0;
    if (isRefusal) return this.#count('refused');
    this.broken.push(`${id} failed with ${status.code} (${status.message}), billed ${billed}`);
  }

  #count(what: string, times = 1): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + times);
  }
}

async function ended(grpc: GrpcClient, id: string, untilMs: number): Promise<Operation> {
  for (;;) {
    const operation = await grpc.call(OperationService.method.get, { operationId: id });
    if (operation.done) return operation;
    if (performance.now() > untilMs) throw new Error('has not ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
