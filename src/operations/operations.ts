import { GatewayError } from '../errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { CallerContext } from './caller-context.ts';
import type { GuardedUpstream } from './breaker/guarded-upstream.ts';
import {
  sealedFromUpstreamId,
  unknownOperation,
  upstreamIdBytesMax,
  type OperationForm,
  type OperationIds,
  type SealedOperation,
} from './operation-id.ts';
import type { ImageMemory, Release, RoomOptions } from './result/image-memory.ts';
import type { PollSchedule } from './poll/poll-schedule.ts';
import { PollingHub, type PollingObserver } from './poll/polling-hub.ts';
import type { Clock } from '../clock/clock.ts';
import type { ReadRateLimiter } from './poll/read-rate-limiter.ts';
import type { ReadQueue } from './poll/read-queue.ts';
import { OnDemandReads } from './poll/on-demand-reads.ts';
import type { ResultCache } from './result/result-cache.ts';
import type { OperationSnapshot } from './result/snapshot.ts';
import { snapshotOrThrow } from './poll/told.ts';
import { isSettled, trackedFromSealed, type TrackedOperation } from './poll/tracked-operation.ts';

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
  /** Operations remembered at once; those somebody waits for are never forgotten. */
  readonly trackedMax: number;
  readonly observer?: PollingObserver | undefined;
}

export interface WaitOptions extends CallerContext {
  /** How long to hold the answer back for the end of the operation, in milliseconds. */
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

const retryAfterSMax = 5;
/** What an answer may hold beside its image. */
const messageOverheadBytes = 1_048_576;

/**
 * The operations of all callers: start, get, wait, cancel, and the image.
 *
 * An operation answers from memory where its state is known; the upstream is
 * asked when its schedule says so, once for all who ask.
 */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #hub: PollingHub;
  readonly #reads: OnDemandReads;
  readonly #tracked = new Map<string, TrackedOperation>();

  #isClosed = false;

  constructor(options: OperationsOptions) {
    const { upstream, memory, imageBytesMax } = options;
    const heldBackMs = () => upstream.openForMs('Get');
    this.#options = options;
    this.#hub = new PollingHub({
      ...options,
      read: (tracked) => upstream.getOperation(tracked.sealed.upstreamId, callOptionsOf(tracked)),
      roomToRead: () => memory.roomToRead(imageBytesMax + messageOverheadBytes),
      openForMs: heldBackMs,
    });
    this.#reads = new OnDemandReads({ ...options, hub: this.#hub, openForMs: heldBackMs });
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
    {
      form = 'native',
      timeoutMs,
    }: { readonly form?: OperationForm; readonly timeoutMs?: number } = {},
  ): Promise<OperationSnapshot> {
    const { upstream, clock, ids, schedule } = this.#options;
    const operation = await upstream.generate(request, {
      ...callOptionsOf(caller),
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    if (operation.id.length > upstreamIdBytesMax) {
      throw new GatewayError(
        'bad_upstream_result',
        'the upstream gave an operation id too long to keep',
        {
          outcome: 'unknown',
        },
      );
    }
    const acceptedAtMs = clock.nowMs();
    const seed = request.generationOptions?.seed ?? 0n;
    const sealed = { upstreamId: operation.id, seed, acceptedAtMs, form };
    const id = ids.seal(sealed, caller.tenant);
    const tracked = this.#remember(id, sealed, caller);
    tracked.known = true;
    tracked.nextPollAtMs = acceptedAtMs + schedule.delayMs(0);
    this.#hub.apply(tracked, operation);
    return tracked.snapshot;
  }

  /**
   * The operation as it is known, after asking the upstream if that is due.
   *
   * @throws GatewayError `operation_not_found` or `operation_expired`, or the
   * upstream's error while it has never told this process about the operation.
   */
  async get(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    const tracked = this.#find(id, caller);
    await this.#reads.refresh(tracked);
    return snapshotOrThrow(tracked);
  }

  /**
   * The operation as far as it can be told now: like `get`, but an upstream
   * that does not answer leaves what the id itself says.
   *
   * @throws GatewayError `operation_not_found` or `operation_expired`.
   */
  async recall(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    const tracked = this.#find(id, caller);
    await this.#reads.refresh(tracked);
    if (tracked.expired !== undefined) throw tracked.expired;
    return tracked.snapshot;
  }

  /** Like `get`, but holds the answer back until the operation ends or the wait is over. */
  async wait(id: string, options: WaitOptions): Promise<OperationSnapshot> {
    const tracked = this.#find(id, options);
    if (options.waitMs > 0 && !this.#isClosed) await this.#settle(tracked, options);
    else await this.#reads.refresh(tracked);
    return snapshotOrThrow(tracked);
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
    const tracked = this.#find(id, caller);
    const release = await this.#options.memory.roomToAnswer(
      tracked.key,
      imageBytesMaxOf(tracked, this.#options.imageBytesMax),
      options,
    );
    try {
      const bytes = this.#options.results.get(tracked.key) ?? (await this.#reads.image(tracked));
      return { snapshot: tracked.snapshot, bytes, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Asks the upstream to stop the work. Best effort: the answer is the operation as it then is. */
  async cancel(id: string, caller: CallerContext): Promise<OperationSnapshot> {
    const tracked = this.#find(id, caller);
    if (isSettled(tracked)) return snapshotOrThrow(tracked);
    try {
      const operation = await this.#options.upstream.cancelOperation(
        tracked.sealed.upstreamId,
        callOptionsOf(caller),
      );
      this.#hub.apply(tracked, operation);
    } catch (error) {
      // An upstream that can't cancel leaves the operation as it is, and that is the answer.
      if (!(error instanceof GatewayError) || !tracked.known) throw error;
      tracked.lastError = error;
    }
    return snapshotOrThrow(tracked);
  }

  /** Seconds after which asking again may bring something new, 1 … 5. */
  retryAfterS(id: string, caller: CallerContext): number {
    const tracked = this.#find(id, caller);
    const dueMs = tracked.nextPollAtMs - this.#options.clock.nowMs();
    return Math.min(retryAfterSMax, Math.max(1, Math.ceil(dueMs / 1000)));
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

  /** Whether the gateway stops: who waits again would only hold it up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Answers everybody who waits, now or later, with what is known then. For a gateway that stops. */
  close(): void {
    this.#isClosed = true;
    for (const tracked of this.#tracked.values()) this.#hub.release(tracked);
  }

  #find(id: string, caller: CallerContext): TrackedOperation {
    const key = keyOf(id, caller);
    const tracked = this.#tracked.get(key);
    if (tracked?.tenant === caller.tenant) {
      // A Map iterates in order of insertion: put last what was used last.
      this.#tracked.delete(key);
      this.#tracked.set(key, tracked);
      return tracked;
    }
    const { ids, clock } = this.#options;
    const sealed = ids.open(id, caller.tenant) ?? sealedFromUpstreamId(id, caller, clock.nowMs());
    if (sealed === undefined) throw unknownOperation();
    return this.#remember(id, sealed, caller);
  }

  #remember(id: string, sealed: SealedOperation, caller: CallerContext): TrackedOperation {
    const key = keyOf(id, caller);
    const { tenant, passthrough, traceparent } = caller;
    const tracked = trackedFromSealed({ id, key, tenant, passthrough, traceparent }, sealed);
    this.#tracked.set(key, tracked);
    const excess = this.#tracked.size - this.#options.trackedMax;
    if (excess > 0) this.#forget(excess);
    return tracked;
  }

  #forget(count: number): void {
    let left = count;
    for (const [key, tracked] of this.#tracked) {
      if (left === 0) return;
      if (tracked.waiters.size > 0 || tracked.reading !== undefined) continue;
      this.#tracked.delete(key);
      left -= 1;
    }
  }

  #settle(tracked: TrackedOperation, options: WaitOptions): Promise<void> {
    if (isSettled(tracked)) return Promise.resolve();
    const { signal, waitMs } = options;
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const tell = () => {
        leave();
        cancelTimer();
        signal?.removeEventListener('abort', tell);
        resolve();
      };
      const leave = this.#hub.join(tracked, { tell });
      const cancelTimer = this.#options.clock.after(waitMs, tell);
      signal?.addEventListener('abort', tell);
    });
  }
}

/** Of an image that was never seen, only its bound is known. */
function imageBytesMaxOf({ snapshot: { state } }: TrackedOperation, imageBytesMax: number) {
  return state.status === 'succeeded' ? state.image.byteLength : imageBytesMax;
}

/** One caller's view of an operation: without credentials of their own, all share one. */
function keyOf(id: string, { passthrough }: CallerContext): string {
  return passthrough === undefined ? id : `${id} ${passthrough.view}`;
}

function callOptionsOf({
  passthrough,
  traceparent,
}: Pick<CallerContext, 'passthrough' | 'traceparent'>) {
  return {
    ...(passthrough !== undefined && { authorization: passthrough.authorization }),
    ...(traceparent !== undefined && { traceparent }),
  };
}
