import { GatewayError } from '../errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import type { Clock } from '../clock/clock.ts';
import { callOptionsOf, type CallerContext } from './caller-context.ts';
import type { GuardedUpstream } from './breaker/guarded-upstream.ts';
import type { OperationForm, OperationIds, SealedOperation } from './operation-id.ts';
import { OnDemandReads } from './poll/on-demand-reads.ts';
import type { PollSchedule } from './poll/poll-schedule.ts';
import { PollingHub } from './poll/polling-hub.ts';
import type { PollingObserver } from './poll/polling-observer.ts';
import type { ReadQueue } from './poll/read-queue.ts';
import type { ReadRateLimiter } from './poll/read-rate-limiter.ts';
import type { TrackedOperation } from './poll/tracked-operation.ts';
import { TrackedOperations } from './poll/tracked-operations.ts';
import type { ImageMemory, Release, RoomOptions } from './result/image-memory.ts';
import type { ResultCache } from './result/result-cache.ts';
import type { OperationSnapshot } from './result/snapshot.ts';
import type { ServiceKey } from '../upstream/call/call-metadata.ts';
import type { NamedByCaller } from '../upstream/call/status-error.ts';

export interface OperationsOptions {
  readonly upstream: GuardedUpstream;
  readonly clock: Clock;
  readonly ids: OperationIds;
  readonly schedule: PollSchedule;
  readonly readRateLimiter: ReadRateLimiter;
  readonly readQueue: ReadQueue;
  readonly results: ResultCache;
  readonly memory: ImageMemory;
  readonly imageBytesMax: number;
  /** Whether the upstream is the service. */
  readonly isService?: boolean | undefined;
  /** Operations remembered at once; those that a caller waits for are never forgotten. */
  readonly trackedMax: number;
  readonly observer?: PollingObserver | undefined;
}

export interface StartOptions {
  /** The form it is created in, and so read in. */
  readonly form?: OperationForm | undefined;
  /** Holder of the slot that its image takes. */
  readonly slotHolder?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** What of the request the caller itself named. Absent: nothing. */
  readonly namedByCaller?: NamedByCaller | undefined;
  /** Under which the service is asked; absent in front of any other upstream. */
  readonly serviceKey?: ServiceKey | undefined;
}

export interface WaitOptions extends CallerContext {
  /** How long to wait for the end of the operation, in milliseconds. */
  readonly waitMs: number;
  /** Ends the wait early, with what is known then. Cancels nothing else. */
  readonly signal?: AbortSignal | undefined;
}

/** A finished image with its bytes. */
export interface OperationImage {
  readonly snapshot: OperationSnapshot;
  /** A view on the received frame: to be sent as it is, never changed. */
  readonly bytes: Uint8Array;
  /** To be called once the bytes are written, or will not be. */
  readonly release: Release;
}

const askAgainSMax = 5;
/** What a message of the upstream may hold beside its image. */
const messageOverheadBytes = 1_048_576;

/**
 * The operations of all callers: start, get, wait, cancel, and the image.
 *
 * A response is made from memory where the state is known; the upstream is
 * asked when the schedule says so, once for all callers who ask.
 */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #hub: PollingHub;
  readonly #reads: OnDemandReads;
  readonly #tracked: TrackedOperations;
  #isClosed = false;

  constructor(options: OperationsOptions) {
    const { upstream, memory, imageBytesMax } = options;
    const openForMs = () => upstream.openForMs('Get');
    this.#options = options;
    this.#tracked = new TrackedOperations(options);
    this.#hub = new PollingHub({
      ...options,
      read: (tracked) =>
        upstream.getOperation(tracked.sealed.upstreamId, callOptionsOf(tracked.view)),
      roomToRead: () => memory.roomToRead(imageBytesMax + messageOverheadBytes),
      openForMs,
    });
    this.#reads = new OnDemandReads({ ...options, hub: this.#hub, openForMs });
  }

  /**
   * Has an image made. Spends money: called once for one create, with a
   * request that is known to be good, and never repeated.
   *
   * @throws GatewayError whose `outcome` says what became of the money.
   */
  async start(
    request: ImageGenerationRequest,
    caller: CallerContext,
    options: StartOptions = {},
  ): Promise<OperationSnapshot> {
    const { form = 'native', slotHolder, timeoutMs, namedByCaller, serviceKey } = options;
    const operation = await this.#options.upstream.generate(request, {
      ...callOptionsOf(caller),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(serviceKey !== undefined && { serviceKey }),
      namedByCaller,
    });
    const seed = request.generationOptions?.seed ?? 0n;
    return this.follow(operation, { form, seed, slotHolder }, caller);
  }

  /** Takes up an operation that the upstream has just accepted, or is known to have accepted. */
  follow(
    operation: Operation,
    accepted: Pick<SealedOperation, 'form' | 'seed' | 'slotHolder'>,
    caller: CallerContext,
  ): OperationSnapshot {
    const { clock, ids, schedule } = this.#options;
    const acceptedAtMs = clock.nowMs();
    const sealed = { ...accepted, upstreamId: operation.id, acceptedAtMs };
    const tracked = this.#tracked.add(ids.seal(sealed, caller.tenant), caller, sealed);
    tracked.seen();
    const atMs = clock.elapsedMs();
    tracked.pollAt(atMs + schedule.delayMs(tracked.age(atMs)));
    this.#hub.apply(tracked, operation);
    return tracked.snapshot;
  }

  /**
   * The operation as it is known, after asking the upstream if that is due.
   *
   * @throws GatewayError `operation_not_found` or `operation_expired`, or the
   * upstream's error while it has never reported on the operation to this process.
   */
  async get(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    return this.#with(id, caller, async (tracked) => {
      await this.#reads.refresh(tracked);
      return tracked.snapshotOrThrow();
    });
  }

  /** Looks whether the operation has ended, if it may have by now. Takes a turn among the reads, as no caller waits for it. */
  async look(id: string, caller: CallerContext): Promise<void> {
    await this.#with(id, caller, (tracked) => this.#reads.refreshInTurn(tracked));
  }

  /**
   * The operation as far as it is known now: like `get`, but an upstream that
   * does not respond leaves what the id itself says.
   *
   * @throws GatewayError `operation_not_found` or `operation_expired`.
   */
  async recall(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    return this.#with(id, caller, async (tracked) => {
      await this.#reads.refresh(tracked);
      if (tracked.expired !== undefined) throw tracked.expired;
      return tracked.snapshot;
    });
  }

  /** Like `get`, but returns only when the operation ends or the wait is over. */
  async wait(id: string, options: WaitOptions): Promise<OperationSnapshot> {
    return this.#with(id, options, async (tracked) => {
      if (options.waitMs > 0 && !this.#isClosed) await this.#untilOver(tracked, options);
      else await this.#reads.refresh(tracked);
      return tracked.snapshotOrThrow();
    });
  }

  /**
   * The bytes of a succeeded operation, from memory or read again.
   *
   * @throws GatewayError when they can't be had; the operation's state is unaffected.
   */
  async image(
    id: string,
    caller: CallerContext,
    options: RoomOptions = {},
  ): Promise<OperationImage> {
    const { memory, results, imageBytesMax } = this.#options;
    return this.#with(id, caller, async (tracked) => {
      const { key } = tracked.view;
      const bytesMax = imageBytesMaxOf(tracked, imageBytesMax);
      const release = await memory.roomToRespond(key, bytesMax, options);
      try {
        const bytes = results.get(key) ?? (await this.#reads.image(tracked));
        return { snapshot: tracked.snapshot, bytes, release };
      } catch (error) {
        release();
        throw error;
      }
    });
  }

  /** Asks the upstream to stop the work. Best effort: returns the operation as it then is. */
  async cancel(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    const { upstream } = this.#options;
    return this.#with(id, caller, async (tracked) => {
      if (tracked.isOver) return tracked.snapshotOrThrow();
      try {
        const { upstreamId } = tracked.sealed;
        const operation = await upstream.cancelOperation(upstreamId, callOptionsOf(caller));
        this.#hub.apply(tracked, operation);
      } catch (error) {
        // An upstream that can't cancel leaves the operation as it is, and so it is returned.
        if (!(error instanceof GatewayError) || tracked.isUnseen) throw error;
        tracked.failed(error);
      }
      return tracked.snapshotOrThrow();
    });
  }

  /** Seconds after which asking again may bring something new, 1 … 5. */
  retryAfterS(id: string, caller: CallerContext): number {
    const dueInMs = this.#tracked.peek(id, caller)?.dueInMs(this.#options.clock.elapsedMs()) ?? 0;
    return Math.min(askAgainSMax, Math.max(1, Math.ceil(dueInMs / 1000)));
  }

  /** How much there is to do, and to remember. */
  get load(): {
    readonly waiters: number;
    readonly polledOperations: number;
    readonly trackedOperations: number;
  } {
    const { waiters, operations } = this.#hub.waiting;
    return { waiters, polledOperations: operations, trackedOperations: this.#tracked.size };
  }

  /** Whether the gateway stops: another wait would only hold it up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Ends every wait, now and later, with what is known then. For a gateway that stops. */
  close(): void {
    this.#isClosed = true;
    for (const tracked of this.#tracked.values()) this.#hub.release(tracked);
  }

  /** Finds an operation for one request, and lets go of it afterwards. */
  async #with<Result>(
    id: string,
    caller: CallerContext,
    use: (tracked: TrackedOperation) => Promise<Result>,
  ): Promise<Result> {
    const tracked = this.#tracked.find(id, caller);
    try {
      return await use(tracked);
    } finally {
      this.#tracked.release(tracked);
    }
  }

  #untilOver(tracked: TrackedOperation, options: WaitOptions): Promise<void> {
    const { signal, waitMs } = options;
    if (tracked.isOver || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        leave();
        cancelTimer();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const leave = this.#hub.join(tracked, { wake });
      const cancelTimer = this.#options.clock.after(waitMs, wake);
      signal?.addEventListener('abort', wake);
    });
  }
}

/** Of an image that was never seen, only its bound is known. */
function imageBytesMaxOf({ snapshot: { state } }: TrackedOperation, imageBytesMax: number) {
  return state.status === 'succeeded' ? state.image.byteLength : imageBytesMax;
}
