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
import type { Spent } from './history.ts';

interface ImageUpstreamOptions {
  /** From Generate to done; without it, operations run until `finishAll`. */
  readonly workMs?: number;
  readonly certificate?: TestCertificate;
}

/**
 * An upstream that can do right: it makes operations, finishes them with an
 * image of their own and cancels them, until it is ordered to misbehave. Its
 * books outlive its process.
 */
export class ImageUpstream {
  /** The right answers. */
  readonly right: Readonly<Record<RawMethod, RawResponse>>;
  raw: RawUpstream;
  readonly port: number;
  readonly #options: ImageUpstreamOptions;
  readonly #acceptedAtMs = new Map<string, number>();
  readonly #canceled = new Set<string>();
  readonly #ordered = new Map<string, RawResponse>();
  readonly #earlier: RawUpstream[] = [];
  #isListening = true;
  #finishedAtMs = Infinity;

  private constructor(raw: RawUpstream, options: ImageUpstreamOptions) {
    this.raw = raw;
    this.port = raw.port;
    this.#options = options;
    this.right = {
      Generate: okFrom(() => {
        const id = `up${this.#acceptedAtMs.size + 1}`;
        this.#acceptedAtMs.set(id, performance.now());
        return toBinary(OperationSchema, runningOperation(id));
      }),
      Get: this.#answerAbout((bytes) => fromBinary(GetOperationRequestSchema, bytes).operationId),
      Cancel: this.#answerAbout((bytes) => {
        const { operationId } = fromBinary(CancelOperationRequestSchema, bytes);
        if (!this.#isDone(operationId)) this.#canceled.add(operationId);
        return operationId;
      }),
    };
    this.behave();
  }

  static async start(options: ImageUpstreamOptions = {}): Promise<ImageUpstream> {
    return new ImageUpstream(await startRawUpstream(0, options.certificate), options);
  }

  /** As the gateway's settings take it, for plaintext. */
  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Does right from now on. */
  behave(): void {
    for (const method of ['Generate', 'Get', 'Cancel'] as const) {
      this.raw.on(method, this.right[method]);
    }
  }

  /** Finishes all operations, also those that are begun later. */
  finishAll(): void {
    this.#finishedAtMs = performance.now();
  }

  /** The next Get or Cancel of this one operation is answered so; all others do right. */
  order(operationId: string, answer: RawResponse): void {
    this.#ordered.set(operationId, answer);
  }

  /** Nobody listens at the address any more. */
  async stop(): Promise<void> {
    if (this.#isListening) await this.raw.close();
    this.#isListening = false;
  }

  /** Listens there again, and does right. */
  async restart(): Promise<void> {
    this.#earlier.push(this.raw);
    this.raw = await startRawUpstream(this.port, this.#options.certificate);
    this.#isListening = true;
    this.behave();
  }

  close(): Promise<void> {
    return this.stop();
  }

  /** The operation that was accepted last. */
  get lastId(): string {
    return [...this.#acceptedAtMs.keys()].at(-1) ?? '';
  }

  /** Calls of a method of which the whole request arrived. */
  calls(method: RawMethod): number {
    return this.#ledgers().filter(({ path }) => path.endsWith(`/${method}`)).length;
  }

  /** The ledger: images begun, by prompt. */
  get spent(): Spent {
    const spent = new Map<string, number>();
    for (const { path, message, isSpent } of this.#ledgers()) {
      if (!isSpent || !path.endsWith('/Generate')) continue;
      const marker = fromBinary(ImageGenerationRequestSchema, message).messages[0]?.text ?? '';
      spent.set(marker, (spent.get(marker) ?? 0) + 1);
    }
    return spent;
  }

  #ledgers() {
    return [...this.#earlier, this.raw].flatMap(({ calls }) => calls);
  }

  #answerAbout(idOf: (request: Buffer) => string): RawResponse {
    return {
      at: 'request',
      isRefusal: false,
      act: (stream, request) => {
        const id = idOf(request);
        const ordered = this.#ordered.get(id);
        this.#ordered.delete(id);
        (ordered ?? this.#rightAnswer(id)).act(stream, request);
      },
    };
  }

  #rightAnswer(id: string): RawResponse {
    const operation = this.#operation(id);
    if (operation === undefined) return status(5, 'no such operation');
    return okFrom(() => toBinary(OperationSchema, operation));
  }

  #operation(id: string): Operation | undefined {
    if (!this.#acceptedAtMs.has(id)) return undefined;
    if (this.#canceled.has(id)) return failedOperation(id, 1, 'cancelled on order');
    return this.#isDone(id) ? succeededOperation(id, imageOf(id)) : runningOperation(id);
  }

  #isDone(id: string): boolean {
    const { workMs = Infinity } = this.#options;
    const nowMs = performance.now();
    return nowMs >= this.#finishedAtMs || nowMs - (this.#acceptedAtMs.get(id) ?? nowMs) >= workMs;
  }
}

/** Every operation has an image that no other has. */
export function imageOf(id: string): Buffer {
  return Buffer.concat([tinyPng, Buffer.from(id)]);
}
