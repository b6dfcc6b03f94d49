import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ImageGenerationRequestSchema } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  OperationSchema,
  type Operation,
} from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  CancelOperationRequestSchema,
  GetOperationRequestSchema,
} from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import type { TestCertificate } from '../support/certificate.ts';
import {
  failedOperation,
  runningOperation,
  succeededOperation,
  tinyPng,
} from '../support/fake-upstream.ts';
import { okFrom, status, type RawResponse } from '../support/raw-responses.ts';
import { startRawUpstream, type RawMethod, type RawUpstream } from '../support/raw-upstream.ts';
import type { BilledTimes } from './observations.ts';

interface ImageUpstreamOptions {
  /** From Generate to done; without it, operations run until `finishAll`. */
  readonly workMs?: number;
  readonly certificate?: TestCertificate;
}

/**
 * An upstream that works correctly until a test makes it misbehave: it creates
 * operations, finishes each with its own image and cancels them. Its ledger
 * survives a restart.
 */
export class ImageUpstream {
  /** The correct responses. */
  readonly correct: Readonly<Record<RawMethod, RawResponse>>;
  raw: RawUpstream;
  readonly port: number;
  readonly #options: ImageUpstreamOptions;
  readonly #acceptedAtMs = new Map<string, number>();
  readonly #canceled = new Set<string>();
  readonly #injected = new Map<string, RawResponse>();
  readonly #earlier: RawUpstream[] = [];
  #isListening = true;
  #finishedAtMs = Infinity;

  private constructor(raw: RawUpstream, options: ImageUpstreamOptions) {
    this.raw = raw;
    this.port = raw.port;
    this.#options = options;
    this.correct = {
      Generate: okFrom(() => {
        const id = `up${this.#acceptedAtMs.size + 1}`;
        this.#acceptedAtMs.set(id, performance.now());
        return toBinary(OperationSchema, runningOperation(id));
      }),
      Get: this.#responseAbout((bytes) => fromBinary(GetOperationRequestSchema, bytes).operationId),
      Cancel: this.#responseAbout((bytes) => {
        const { operationId } = fromBinary(CancelOperationRequestSchema, bytes);
        if (!this.#isDone(operationId)) this.#canceled.add(operationId);
        return operationId;
      }),
    };
    this.recover();
  }

  static async start(options: ImageUpstreamOptions = {}): Promise<ImageUpstream> {
    return new ImageUpstream(await startRawUpstream(0, options.certificate), options);
  }

  /** In the form of the gateway's settings, for plaintext. */
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Works correctly from now on. */
  recover(): void {
    for (const method of ['Generate', 'Get', 'Cancel'] as const) {
      this.raw.on(method, this.correct[method]);
    }
  }

  /** Finishes all operations, also those accepted later. */
  finishAll(): void {
    this.#finishedAtMs = performance.now();
  }

  /** Sets the response to the next Get or Cancel of one operation. */
  inject(operationId: string, response: RawResponse): void {
    this.#injected.set(operationId, response);
  }

  /** Stops listening. */
  async stop(): Promise<void> {
    if (this.#isListening) await this.raw.close();
    this.#isListening = false;
  }

  /** Listens at the same address again, and works correctly. */
  async restart(): Promise<void> {
    this.#earlier.push(this.raw);
    this.raw = await startRawUpstream(this.port, this.#options.certificate);
    this.#isListening = true;
    this.recover();
  }

  close(): Promise<void> {
    return this.stop();
  }

  /** The operation that was accepted last. */
  get lastId(): string {
    return [...this.#acceptedAtMs.keys()].at(-1) ?? '';
  }

  /** Calls of a method whose whole request arrived. */
  calls(method: RawMethod): number {
    return this.#allCalls().filter(({ path }) => path.endsWith(`/${method}`)).length;
  }

  /** The ledger: how often each prompt was billed. */
  get billedTimes(): BilledTimes {
    const billedTimes = new Map<string, number>();
    for (const { path, message, isSpent } of this.#allCalls()) {
      if (!isSpent || !path.endsWith('/Generate')) continue;
      const marker = fromBinary(ImageGenerationRequestSchema, message).messages[0]?.text ?? '';
      billedTimes.set(marker, (billedTimes.get(marker) ?? 0) + 1);
    }
    return billedTimes;
  }

  #allCalls() {
    return [...this.#earlier, this.raw].flatMap(({ calls }) => calls);
  }

  #responseAbout(idOf: (request: Buffer) => string): RawResponse {
    return {
      at: 'request',
      isRefusal: false,
      act: (stream, request) => {
        const id = idOf(request);
        const injected = this.#injected.get(id);
        this.#injected.delete(id);
        (injected ?? this.#correctResponse(id)).act(stream, request);
      },
    };
  }

  #correctResponse(id: string): RawResponse {
    const operation = this.#operation(id);
    if (operation === undefined) return status(5, 'no such operation');
    return okFrom(() => toBinary(OperationSchema, operation));
  }

  #operation(id: string): Operation | undefined {
    if (!this.#acceptedAtMs.has(id)) return undefined;
    if (this.#canceled.has(id)) return failedOperation(id, 1, 'cancelled');
    return this.#isDone(id) ? succeededOperation(id, imageOf(id)) : runningOperation(id);
  }

  #isDone(id: string): boolean {
    const { workMs = Infinity } = this.#options;
    const nowMs = performance.now();
    return nowMs >= this.#finishedAtMs || nowMs - (this.#acceptedAtMs.get(id) ?? nowMs) >= workMs;
  }
}

/** The image of an operation, which no other operation has. */
export function imageOf(id: string): Buffer {
  return Buffer.concat([tinyPng, Buffer.from(id)]);
}
