import { GatewayError } from '../errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Admission, Admitted, Applicant, LimitState } from './admission.ts';
import { HeldBack, type GuardedUpstream } from './guarded-upstream.ts';
import type { Idempotency } from './idempotency.ts';
import type { CallerContext } from './caller-context.ts';
import type { Operations } from './operations.ts';
import type { OperationSnapshot } from './snapshot.ts';

/** A picture that somebody wants made. */
export interface CreateRequest {
  readonly generate: ImageGenerationRequest;
  readonly applicant: Applicant;
  /** Whether it comes in the vendor's own form. */
  readonly isVendorForm?: boolean;
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

export interface CreatesOptions {
  readonly operations: Operations;
  readonly admission: Admission;
  readonly idempotency: Idempotency;
  readonly upstream: GuardedUpstream;
  /** Pictures being made whose places are remembered; those of more come back by time alone. */
  readonly placesMax: number;
}

/** Creates under way at once; far more than an upstream that answers lets pile up. */
const underWayMax = 1_000;

/** Every create goes through here: limits, at most one call that spends, then the books. */
export class Creates {
  readonly #options: CreatesOptions;
  readonly #places = new Map<string, Admitted>();
  #underWay = 0;

  constructor(options: CreatesOptions) {
    this.#options = options;
  }

  /** @throws GatewayError whose `outcome` says what became of the money. */
  async create(request: CreateRequest, caller: CallerContext): Promise<Created> {
    if (this.#underWay >= underWayMax) throw tooMany();
    this.#underWay += 1;
    try {
      return await this.#create(request, caller);
    } finally {
      this.#underWay -= 1;
    }
  }

  async #create(request: CreateRequest, caller: CallerContext): Promise<Created> {
    const { admission, idempotency, operations, upstream } = this.#options;
    const modelUri = request.generate.modelUri;
    const admit = async () => {
      // What would be refused for the upstream's sake takes nothing from the caller's limits.
      const heldMs = upstream.heldBackMs('Generate');
      if (heldMs > 0) throw new HeldBack(heldMs, true);
      return admission.admit(request.applicant, modelUri);
    };
    const send = (place: Admitted) => this.#send(request, caller, place);
    if (request.idempotency === undefined) return (await send(await admit())).created;
    const withdraw = (place: Admitted) => place.withdraw();
    const result = await idempotency.run({ ...request.idempotency, admit, withdraw, send });
    if ('made' in result) return result.made.created;
    return {
      snapshot: await operations.recall(result.replayOf, caller),
      isReplay: true,
      limits: [],
    };
  }

  /** The operation has ended: its place is free for the caller's next one. */
  settled(operationId: string): void {
    const place = this.#places.get(operationId);
    if (place === undefined) return;
    this.#places.delete(operationId);
    void place.finished();
  }

  async #send(request: CreateRequest, caller: CallerContext, place: Admitted) {
    try {
      const snapshot = await this.#options.operations.start(request.generate, caller, request);
      this.#hold(snapshot.id, place);
      return {
        operationId: snapshot.id,
        created: { snapshot, isReplay: false, limits: place.limits },
      };
    } catch (error) {
      const isUnspent = error instanceof GatewayError && error.outcome === 'not_started';
      // A picture that may have been paid for stays counted.
      await (isUnspent ? place.withdraw() : place.finished());
      throw error;
    }
  }

  #hold(operationId: string, place: Admitted): void {
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
