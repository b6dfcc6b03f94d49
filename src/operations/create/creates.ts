import { GatewayError } from '../../errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Reason } from '../../errors/reason.ts';
import {
  LimitReached,
  type Admission,
  type Reservation,
  type Requester,
  type LimitState,
} from './admission.ts';
import { CircuitOpen, type GuardedUpstream } from '../breaker/guarded-upstream.ts';
import type { Idempotency } from './idempotency.ts';
import type { CallerContext } from '../caller-context.ts';
import type { OperationForm } from '../operation-id.ts';
import type { Operations } from '../operations.ts';
import type { Clock } from '../../clock/clock.ts';
import type { OperationSnapshot } from '../result/snapshot.ts';

/** An image that somebody wants made. */
export interface CreateRequest {
  readonly generate: ImageGenerationRequest;
  readonly requester: Requester;
  /** Absent: native. */
  readonly form?: OperationForm;
  /** Present where the caller sent a key. */
  readonly idempotency?: IdempotencyScope | undefined;
}

export interface IdempotencyScope {
  /** Of caller, route and idempotency key: one record each. */
  readonly recordKey: string;
  /** Hash of the request as the caller meant it. */
  readonly fingerprint: string;
  /** Whether the record starts anew, and how long it is of use: see `KeyedCreate`. */
  readonly isFresh?: boolean;
  readonly keepMs?: number;
}

export interface Created {
  readonly snapshot: OperationSnapshot;
  /** Whether an earlier request with the same key had it made. */
  readonly isReplay: boolean;
  /** Limits as this create left them; none on a replay, which uses nothing. */
  readonly limits: readonly LimitState[];
}

/** What became of one create. `joined` waited for an earlier request with its key, `replayed` came after it. */
export type CreateEnd =
  | { readonly outcome: 'accepted' | 'replayed' | 'joined' }
  | { readonly outcome: 'not_started' | 'unknown'; readonly reason: Reason };

/** Told of every create when it ends; what it does must be quick and may not throw. */
export interface CreatesObserver {
  createEnded(create: CreateEnd): void;
  /** The limits as a create found them. */
  limitsSeen(limits: readonly LimitState[]): void;
  /** One of them refused it. */
  limited(limit: string): void;
}

export interface CreatesOptions {
  readonly operations: Operations;
  readonly admission: Admission;
  readonly idempotency: Idempotency;
  readonly upstream: GuardedUpstream;
  readonly clock: Clock;
  /** From the beginning of a create to the end of its Generate, whatever came before that. */
  readonly generateTimeoutMs: number;
  /** Images being made whose places are remembered; those of more come back by time alone. */
  readonly placesMax: number;
  readonly observer?: CreatesObserver | undefined;
}

/** Creates under way at once; far more than an upstream that answers lets pile up. */
const underWayMax = 1_000;

/** Every create goes through here: limits, at most one call that spends, then the books. */
export class Creates {
  readonly #options: CreatesOptions;
  readonly #places = new Map<string, Reservation>();
  readonly #underWay = new Set<Promise<Created>>();
  #isClosed = false;

  constructor(options: CreatesOptions) {
    this.#options = options;
  }

  /** @throws GatewayError whose `outcome` says what became of the money. */
  async create(request: CreateRequest, caller: CallerContext): Promise<Created> {
    try {
      return await this.#counted(request, caller);
    } catch (error) {
      this.#refused(error);
      throw error;
    }
  }

  async #counted(request: CreateRequest, caller: CallerContext): Promise<Created> {
    if (this.#isClosed) {
      throw new GatewayError('draining', 'this gateway is about to stop', {
        outcome: 'not_started',
      });
    }
    if (this.#underWay.size >= underWayMax) throw tooMany();
    const created = this.#create(request, caller);
    this.#underWay.add(created);
    try {
      return await created;
    } finally {
      this.#underWay.delete(created);
    }
  }

  /** Refuses every further one. Those under way go on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Resolves when none is under way: each one's end has been written down, as far as the store took it. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #create(request: CreateRequest, caller: CallerContext): Promise<Created> {
    const { admission, clock, idempotency, operations, upstream } = this.#options;
    const beganAtMs = clock.nowMs();
    const modelUri = request.generate.modelUri;
    const admit = async () => {
      // What would be refused for the upstream's sake takes nothing from the caller's limits.
      const heldMs = upstream.openForMs('Generate');
      if (heldMs > 0) throw new CircuitOpen(heldMs, true);
      return admission.reserve(request.requester, modelUri);
    };
    const send = (place: Reservation) =>
      this.#send(request, { caller, place, timeoutMs: this.#leftMs(beganAtMs) });
    if (request.idempotency === undefined) return (await send(await admit())).created;
    const withdraw = (place: Reservation) => place.refund();
    const result = await idempotency.run({ ...request.idempotency, admit, withdraw, send });
    if ('made' in result) return result.made.created;
    const snapshot = await operations.recall(result.replayOf, caller);
    const outcome = result.hasJoined ? 'joined' : 'replayed';
    this.#options.observer?.createEnded({ outcome });
    return { snapshot, isReplay: true, limits: [] };
  }

  /** The operation has ended: its place is free for the caller's next one. */
  settled(operationId: string): void {
    const place = this.#places.get(operationId);
    if (place === undefined) return;
    this.#places.delete(operationId);
    void place.release();
  }

  /** What limits, a slow store and a joined request have left of the time. */
  #leftMs(beganAtMs: number): number {
    const { clock, generateTimeoutMs } = this.#options;
    // A clock that stepped back gives nobody more time.
    return Math.min(generateTimeoutMs, beganAtMs + generateTimeoutMs - clock.nowMs());
  }

  async #send(
    request: CreateRequest,
    {
      caller,
      place,
      timeoutMs,
    }: { readonly caller: CallerContext; readonly place: Reservation; readonly timeoutMs: number },
  ) {
    const { form } = request;
    try {
      const snapshot = await this.#options.operations.start(request.generate, caller, {
        timeoutMs,
        ...(form !== undefined && { form }),
      });
      this.#hold(snapshot.id, place);
      this.#options.observer?.createEnded({ outcome: 'accepted' });
      this.#options.observer?.limitsSeen(place.limits);
      return {
        operationId: snapshot.id,
        created: { snapshot, isReplay: false, limits: place.limits },
      };
    } catch (error) {
      const isUnspent = error instanceof GatewayError && error.outcome === 'not_started';
      // An image that may have been paid for stays counted.
      await (isUnspent ? place.refund() : place.release());
      throw error;
    }
  }

  #refused(error: unknown): void {
    const { observer } = this.#options;
    if (observer === undefined) return;
    if (error instanceof LimitReached) {
      observer.limitsSeen(error.limits);
      observer.limited(error.reached.name);
    }
    const isKnown = error instanceof GatewayError;
    // What nobody can tell is counted as the worse.
    const outcome = isKnown && error.outcome === 'not_started' ? 'not_started' : 'unknown';
    observer.createEnded({ outcome, reason: isKnown ? error.reason : 'internal_error' });
  }

  #hold(operationId: string, place: Reservation): void {
    if (place.holdsPlace) this.#places.set(operationId, place);
    if (this.#places.size <= this.#options.placesMax) return;
    for (const oldest of this.#places.keys()) {
      this.#places.delete(oldest);
      return;
    }
  }
}

function tooMany(): GatewayError {
  return new GatewayError('overloaded', 'too many creates are under way already', {
    outcome: 'not_started',
  });
}
