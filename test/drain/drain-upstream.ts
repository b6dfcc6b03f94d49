import { Server, ServerCredentials } from '@grpc/grpc-js';
import { randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { unary, type Call } from '../../src/emulator/unary-method.ts';
import {
  ImageGenerationAsyncService,
  type ImageGenerationRequest,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  OperationService,
  type GetOperationRequest,
} from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { serviceDefinitionFromDescriptor } from '../../src/grpc/service-definition.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';

/** The fate of an image, chosen by the first word of its prompt. */
export type ImageKind =
  /** Accepted and done soon. */
  | 'quick'
  /** Accepted shortly before the gateway's deadline. */
  | 'late'
  /** Never done. */
  | 'endless'
  /** Larger than the buffers of a connection that no one reads. */
  | 'large';

export interface DrainUpstream {
  readonly address: string;
  /** Ids of the billed operations, by prompt. */
  readonly billed: ReadonlyMap<string, readonly string[]>;
  close(): Promise<void>;
}

const acceptMs = { quick: 20, endless: 20, large: 20, late: 12_000 };
const doneAfterMs = 700;
const head = Buffer.from(
  'ffd8ffe000104a46494600010100000100010000ffc0001108040004000301220002110103110100',
  'hex',
);

/** An upstream that draws nothing, bills at once, and responds after a set delay. */
export async function startDrainUpstream(): Promise<DrainUpstream> {
  const imageOf = (bytes: number) => Buffer.concat([head, randomFillSync(Buffer.alloc(bytes))]);
  const images = { quick: imageOf(200_000), large: imageOf(14 * 1_048_576) };
  const billed = new Map<string, string[]>();
  const operations = new Map<string, { readonly kind: ImageKind; readonly doneAtMs: number }>();
  let count = 0;

  const generate = async ({ messages }: ImageGenerationRequest): Promise<Operation> => {
    const prompt = messages[0]?.text ?? '';
    const kind = prompt.split(' ', 1)[0] as ImageKind;
    count += 1;
    const id = `drain${count}`;
    billed.set(prompt, [...(billed.get(prompt) ?? []), id]);
    operations.set(id, { kind, doneAtMs: performance.now() + doneAfterMs });
    await sleep(acceptMs[kind]);
    return runningOperation(id);
  };
  const get = async ({ operationId: id }: GetOperationRequest): Promise<Operation> => {
    const operation = operations.get(id);
    const isDone = operation !== undefined && performance.now() >= operation.doneAtMs;
    if (!isDone || operation.kind === 'endless') return runningOperation(id);
    return succeededOperation(id, operation.kind === 'large' ? images.large : images.quick);
  };

  const server = new Server();
  server.addService(serviceDefinitionFromDescriptor(ImageGenerationAsyncService), {
    generate: unary((call: Call<ImageGenerationRequest>) => generate(call.request)),
  });
  server.addService(serviceDefinitionFromDescriptor(OperationService), {
    get: unary((call: Call<GetOperationRequest>) => get(call.request)),
    cancel: unary((call: Call<GetOperationRequest>) => get(call.request)),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    address: `http://127.0.0.1:${port}`,
    billed,
    close: async () => server.forceShutdown(),
  };
}
