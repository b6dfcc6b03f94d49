import type { Clock } from '../clock/clock.ts';
import type { Renderer, RenderRequest } from '../renderers/renderer.ts';
import { newOperationId } from '../rpc/operation-id.ts';
import type { Dispatcher } from './dispatcher.ts';
import { isDiskFull } from './disk-reserve.ts';
import type { ImageStore } from './image-store.ts';
import { hashOfKey, KeyRefused, type KeyRow, type OperationKey } from './operation-key.ts';
import { acceptedRecord, cancel, type OperationRecord } from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';
import { msToNextDay } from './spent-day.ts';

export interface ServiceLimits {
  readonly queuedMax: number;
  /** How long an operation may stay queued. */
  readonly deadlineMs: number;
  /** Of all images on disk. Repeatable ones give way; others keep new operations out. */
  readonly imagesBytesMax: number;
}

export interface ServiceOperationsOptions {
  readonly store: OperationStore;
  readonly images: ImageStore;
  readonly renderer: Renderer;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly limits: ServiceLimits;
  /** Whether the files of the store are where the next process looks for them. */
  readonly isStoreThere?: (() => boolean) | undefined;
}

/** Why an operation was not accepted. Nothing was written or spent. */
export class NotAccepted extends Error {
  override readonly name = 'NotAccepted';
  readonly bound: 'queue' | 'share' | 'keys' | 'day' | 'disk' | 'store' | 'stopping' | 'backend';
  /** After which it may be accepted, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(bound: NotAccepted['bound'], retryAfterMs?: number) {
    super(`not accepted: ${bound}`);
    this.bound = bound;
    this.retryAfterMs = retryAfterMs;
  }
}

/** An operation with the bytes of its image, where it has one. */
export interface OperationWithImage {
  readonly record: OperationRecord;
  readonly image: Uint8Array | undefined;
  /** 1 for the next; undefined where it is not queued, or its place is not known. */
  readonly queuePosition?: number | undefined;
}

/** What a key stands for: the operation may be forgotten by now. */
export interface SettledOperation {
  readonly id: string;
  readonly acceptedAtMs: number;
}

const boundOf = { queue_full: 'queue', share_full: 'share', keys_full: 'keys' } as const;

/** The operations of all owners, as the gRPC methods need them. */
export class ServiceOperations {
  readonly #options: ServiceOperationsOptions;
  /** Images that are rendered again because their files were dropped. */
  readonly #repeats = new Map<string, Promise<Uint8Array>>();
  #isStopping = false;
  /** Whether the last write of a new operation found room on the disk. */
  #hasRoom = true;

  constructor(options: ServiceOperationsOptions) {
    this.#options = options;
  }

  /**
   * Accepts an operation: it is durable when this resolves. Under a key that is
   * known it is the operation that was accepted before.
   *
   * @throws RendererError for a request that can't be rendered, NotAccepted where there is no room, KeyRefused.
   */
  async accept(
    request: RenderRequest,
    owner: string,
    key?: OperationKey,
  ): Promise<OperationWithImage> {
    const { store, images, renderer, dispatcher, clock, limits } = this.#options;
    const plan = renderer.plan(request);
    const known = key && store.keyRow(key.hash);
    if (known !== undefined) return this.#replay(known, key);
    this.#checkOpen();
    if (!renderer.isRepeatable && images.bytesHeld >= limits.imagesBytesMax) {
      throw new NotAccepted('disk');
    }
    const record = acceptedRecord(
      { id: newOperationId(), owner, plan },
      { nowMs: clock.nowMs(), delayMs: renderer.delayMs, deadlineMs: limits.deadlineMs },
    );
    const result = await this.#written(store.insert(record, { queuedMax: limits.queuedMax }, key));
    if (typeof result !== 'string') return this.#replay(result, key);
    if (result !== 'inserted') throw new NotAccepted(boundOf[result]);
    dispatcher.added(record);
    return this.#withImage(record);
  }

  /** @throws NotAccepted where a new operation could not be begun for now. */
  #checkOpen(): void {
    const { dispatcher, clock } = this.#options;
    if (this.#isStopping) throw new NotAccepted('stopping');
    this.#checkStore();
    const { shutCause } = dispatcher;
    // A busy backend is what the queue is for.
    if (shutCause !== undefined && shutCause !== 'busy') {
      throw new NotAccepted('backend', dispatcher.opensInMs);
    }
    if (dispatcher.isDayUsedUp) throw new NotAccepted('day', msToNextDay(clock.nowMs()));
  }

  /**
   * The operation that was accepted under a key, or undefined: then none ever
   * will be, and that is durable.
   *
   * @throws NotAccepted where that could not be written: nothing is settled.
   */
  async settle(key: string, owner: string): Promise<SettledOperation | undefined> {
    const { store, clock } = this.#options;
    const hash = hashOfKey(key, owner);
    const known = store.keyRow(hash);
    if (known === undefined) this.#checkStore();
    const row = known ?? (await this.#written(store.settleKey(hash, clock.nowMs())));
    if (row === 'keys_full') throw new NotAccepted('keys');
    const { operationId: id, atMs: acceptedAtMs } = row;
    return id === undefined ? undefined : { id, acceptedAtMs };
  }

  /** @returns Undefined for an operation that is not there, or is another owner's. */
  async get(id: string, owner: string): Promise<OperationWithImage | undefined> {
    const record = this.#find(id, owner);
    return record && this.#withImage(record);
  }

  /** Cancels as far as that is still possible. @returns What the operation is then. */
  async cancel(id: string, owner: string): Promise<OperationWithImage | undefined> {
    const { store, dispatcher, clock } = this.#options;
    const record = this.#find(id, owner);
    if (record === undefined) return undefined;
    const changed = await store.change(id, cancel(clock.nowMs()), undefined);
    if (changed !== undefined) dispatcher.cancelled(changed);
    return this.#withImage(changed ?? store.get(id) ?? record);
  }

  /** Whether a new operation would be written, as far as the last one showed. */
  get isAccepting(): boolean {
    return !this.#isStopping && this.#hasRoom && this.#isStoreThere;
  }

  /** Accepts nothing more; what was accepted is still read and cancelled. */
  stopAccepting(): void {
    this.#isStopping = true;
  }

  get #isStoreThere(): boolean {
    return this.#options.isStoreThere?.() ?? true;
  }

  /** @throws NotAccepted where what is written would be lost at the end of the process. */
  #checkStore(): void {
    if (!this.#isStoreThere) throw new NotAccepted('store');
  }

  /** What a Generate under a known key gets. */
  #replay({ operationId, fingerprint }: KeyRow, key: OperationKey | undefined) {
    if (operationId === undefined) throw new KeyRefused('settled');
    if (fingerprint !== key?.fingerprint) throw new KeyRefused('reused');
    const record = this.#options.store.get(operationId);
    if (record === undefined) throw new KeyRefused('gone');
    return this.#withImage(record);
  }

  /** Awaits a write that a client waits for, and remembers whether the disk had room. */
  async #written<Result>(write: Promise<Result>): Promise<Result> {
    try {
      const result = await write;
      this.#hasRoom = true;
      return result;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#hasRoom = false;
      throw new NotAccepted('disk');
    }
  }

  #find(id: string, owner: string): OperationRecord | undefined {
    const record = this.#options.store.get(id);
    return record?.owner === owner ? record : undefined;
  }

  async #withImage(record: OperationRecord): Promise<OperationWithImage> {
    const { images, dispatcher } = this.#options;
    if (record.state === 'queued') {
      return { record, image: undefined, queuePosition: dispatcher.positionOf(record.id) };
    }
    if (record.state !== 'done' || record.failure !== undefined) {
      return { record, image: undefined };
    }
    const kept = record.image && (await images.get(record.id, record.image));
    return { record, image: kept ?? (await this.#repeat(record)) };
  }

  /** Renders the image of an ended operation again, once for all who ask at the same time. */
  async #repeat({ id, plan, attempts }: OperationRecord): Promise<Uint8Array> {
    const { renderer } = this.#options;
    if (plan === undefined || !renderer.isRepeatable) {
      throw new Error(`the image of the operation ${id} is not on disk any more`);
    }
    const repeat =
      this.#repeats.get(id) ??
      renderer
        .render(plan, {
          operationId: id,
          number: attempts,
          signal: new AbortController().signal,
          submitted: async () => undefined,
        })
        .then(({ bytes }) => bytes)
        .finally(() => this.#repeats.delete(id));
    this.#repeats.set(id, repeat);
    return repeat;
  }
}
