import { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import type { Clock } from '../../clock/clock.ts';
import { CircuitOpen, type GuardedUpstream } from '../breaker/guarded-upstream.ts';
import type { CallerContext } from '../caller-context.ts';
import type { Operations } from '../operations.ts';
import { isFinished, type OperationSnapshot } from '../result/snapshot.ts';
import {
  LimitReached,
  type Admission,
  type LimitState,
  type Requester,
  type Reservation,
} from './admission.ts';
import type { Idempotency } from './idempotency.ts';
import type { CreateRequest } from './create-request.ts';
import type { SentCreate } from './keyed-create.ts';
import type { Sending, Starts } from './starts.ts';
import type { Slots } from './slots.ts';

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

/** Events of creates. What it does must be quick and may not throw. */
export interface CreatesObserver {
  /** Called once for each create. */
  createEnded(create: CreateEnd): void;
  /** The limits as a create found them. */
  limitsSeen(limits: readonly LimitState[]): void;
  /** One of them refused it. */
  limited(limit: string): void;
}

export interface CreatesOptions {
  readonly operations: Operations;
  readonly admission: Admission;
  readonly slots: Slots;
  readonly idempotency: Idempotency;
  readonly starts: Starts;
  readonly upstream: GuardedUpstream;
  readonly clock: Clock;
  readonly observer?: CreatesObserver | undefined;
}

/** What a create has before it is sent. */
interface Reserved {
  readonly reservation: Reservation;
  /** Of the service; absent where the upstream can't settle. */
  readonly storeId: string | undefined;
}

/** Refusals that use up no rate: no image was begun, and the rate of all callers must not be theirs to use up. */
const rateFreeReasons: ReadonlySet<Reason> = new Set([
  'model_not_found',
  'unauthenticated',
  'permission_denied',
]);
/** Creates under way at once; far more than an upstream that answers lets pile up. */
const underWayMax = 1_000;
/** How long a create that finds no free slot looks for one. */
const lookMsMax = 2_000;

/** The way of every create: limits, at most one call that spends, then the records of its end. */
export class Creates {
  readonly #options: CreatesOptions;
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
      this.#observeFailure(error);
      throw error;
    }
  }

  /** Refuses every further one. Those under way go on. */
  close(): void {
    this.#isClosed = true;
    this.#options.starts.close();
  }

  /** Resolves when none is under way: each one's end has been written down, as far as the store took it. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #counted(request: CreateRequest, caller: CallerContext): Promise<Created> {
    if (this.#isClosed) throw notStarted('draining', 'this gateway is about to stop');
    if (this.#underWay.size >= underWayMax) {
      throw notStarted('overloaded', 'too many creates are under way already');
    }
    const created = this.#create(request, caller);
    this.#underWay.add(created);
    try {
      return await created;
    } finally {
      this.#underWay.delete(created);
    }
  }

  async #create(request: CreateRequest, caller: CallerContext): Promise<Created> {
    const { clock, idempotency, operations, starts } = this.#options;
    const beganAtMs = clock.elapsedMs();
    const reserve = () => this.#reserve(request);
    const send = (reserved: Reserved, sent?: SentCreate) =>
      this.#send(request, { ...reserved, caller, sent, beganAtMs });
    if (request.idempotency === undefined) return (await send(await reserve())).created;
    const { recordKey } = request.idempotency;
    const result = await idempotency.run({
      ...request.idempotency,
      reserve,
      refund: ({ reservation }) => reservation.refund(),
      noteOf: ({ storeId }) => starts.noteOf(request, storeId),
      send,
      settle: (sent) => starts.settle(recordKey, caller, sent),
    });
    if ('made' in result) return result.made.created;
    const snapshot = await operations.recall(result.replayOf, caller);
    const outcome = result.hasJoined ? 'joined' : 'replayed';
    this.#options.observer?.createEnded({ outcome });
    return { snapshot, isReplay: true, limits: [] };
  }

  async #reserve({ requester, generate }: CreateRequest): Promise<Reserved> {
    const { upstream, starts } = this.#options;
    // What would be refused because of the upstream takes nothing from the caller's limits.
    const heldMs = upstream.openForMs('Generate');
    if (heldMs > 0) throw new CircuitOpen(heldMs, true);
    const storeId = await starts.storeId();
    return { storeId, reservation: await this.#admit(requester, generate) };
  }

  async #admit(requester: Requester, generate: CreateRequest['generate']): Promise<Reservation> {
    const { admission } = this.#options;
    try {
      return await admission.reserve(requester, generate.modelUri);
    } catch (error) {
      if (!isSlotsTaken(error)) throw error;
      return this.#reserveOfEnded({ requester, generate }, error);
    }
  }

  /**
   * Reserves with the slot of an image that has ended, as no caller may poll them.
   * They are looked at one after the other: another gateway may have given back
   * the slots of some already.
   *
   * @throws GatewayError `refusal`, or a later one, when none has ended.
   */
  async #reserveOfEnded(
    { requester, generate }: Pick<CreateRequest, 'requester' | 'generate'>,
    refusal: LimitReached,
  ): Promise<Reservation> {
    const { admission, clock, operations, slots } = this.#options;
    const { subject } = requester;
    const untilMs = clock.elapsedMs() + lookMsMax;
    let last = refusal;
    for (const held of slots.of(subject)) {
      if (clock.elapsedMs() > untilMs) break;
      await operations.look(held.id, held.caller).catch(() => undefined);
      if (slots.of(subject).includes(held)) continue;
      await slots.returned();
      try {
        return await admission.reserve(requester, generate.modelUri);
      } catch (error) {
        if (!isSlotsTaken(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  async #send(
    request: CreateRequest,
    { reservation, ...sending }: Omit<Sending, 'slotHolder'> & Reserved,
  ) {
    const { observer, slots, starts } = this.#options;
    const { requester } = request;
    const { caller } = sending;
    const { limits, slotHolder } = reservation;
    try {
      const snapshot = await starts.start(request, { ...sending, slotHolder });
      if (slotHolder !== undefined && !isFinished(snapshot)) {
        const slot = { subject: requester.subject, holder: slotHolder };
        slots.hold(slot, { id: snapshot.id, caller });
      }
      observer?.createEnded({ outcome: 'accepted' });
      observer?.limitsSeen(limits);
      return { operationId: snapshot.id, created: { snapshot, isReplay: false, limits } };
    } catch (error) {
      const isUnspent = error instanceof GatewayError && error.outcome === 'not_started';
      // An image that may have been paid for stays counted.
      const includesRate = isUnspent && rateFreeReasons.has(error.reason);
      await (isUnspent ? reservation.refund({ includesRate }) : reservation.release());
      throw error;
    }
  }

  #observeFailure(error: unknown): void {
    const { observer } = this.#options;
    if (observer === undefined) return;
    if (error instanceof LimitReached) {
      observer.limitsSeen(error.limits);
      observer.limited(error.reached.name);
    }
    const isKnown = error instanceof GatewayError;
    // What can't be known is counted as the worse.
    const outcome = isKnown && error.outcome === 'not_started' ? 'not_started' : 'unknown';
    observer.createEnded({ outcome, reason: isKnown ? error.reason : 'internal_error' });
  }
}

function isSlotsTaken(error: unknown): error is LimitReached {
  return error instanceof LimitReached && error.reached.name === 'concurrent';
}

function notStarted(reason: Reason, detail: string): GatewayError {
  return new GatewayError(reason, detail, { outcome: 'not_started' });
}
