import type { Clock } from '../../clock/clock.ts';
import type { CallerContext } from '../caller-context.ts';
import {
  sealedFromUpstreamId,
  unknownOperation,
  type OperationIds,
  type SealedOperation,
} from '../operation-id.ts';
import { TrackedOperation } from './tracked-operation.ts';

export interface TrackedOperationsOptions {
  readonly ids: OperationIds;
  readonly clock: Clock;
  /** Operations remembered at once; those that a caller waits for are never forgotten. */
  readonly trackedMax: number;
}

/**
 * The operations that this process remembers, the least recently used first to
 * be forgotten. One that was forgotten is found again by its id.
 */
export class TrackedOperations {
  readonly #options: TrackedOperationsOptions;
  readonly #byKey = new Map<string, TrackedOperation>();

  constructor(options: TrackedOperationsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byKey.size;
  }

  values(): Iterable<TrackedOperation> {
    return this.#byKey.values();
  }

  /** @throws GatewayError `operation_not_found` for any id that is not of an operation of this caller. */
  find(id: string, caller: CallerContext): TrackedOperation {
    const key = keyOf(id, caller);
    const tracked = this.#byKey.get(key);
    if (tracked?.view.tenant === caller.tenant) {
      // A Map iterates in order of insertion: put last what was used last.
      this.#byKey.delete(key);
      this.#byKey.set(key, tracked);
      return tracked;
    }
    const { ids, clock } = this.#options;
    const sealed = ids.open(id, caller.tenant) ?? sealedFromUpstreamId(id, caller, clock.nowMs());
    if (sealed === undefined) throw unknownOperation();
    return this.add(id, caller, sealed);
  }

  /** The same where it is remembered. */
  peek(id: string, caller: CallerContext): TrackedOperation | undefined {
    return this.#byKey.get(keyOf(id, caller));
  }

  /** A request is done with it: what is not worth keeping is forgotten, so that invented ids take no memory. */
  release(tracked: TrackedOperation): void {
    const { key } = tracked.view;
    if (!tracked.isWorthKeeping && this.#byKey.get(key) === tracked) this.#byKey.delete(key);
  }

  /** Remembers an operation that was accepted just now, or was found by its id. */
  add(id: string, caller: CallerContext, sealed: SealedOperation): TrackedOperation {
    const { clock, trackedMax } = this.#options;
    const key = keyOf(id, caller);
    const foundAtMs = clock.elapsedMs();
    // The only place where an operation's age is taken from wall time: a clock that steps later changes nothing.
    const ageMs = clock.nowMs() - sealed.acceptedAtMs;
    // Accepted in the future: one of two clocks is wrong, and nothing is known of the age.
    const acceptedAtMs = ageMs < -skewMsMax ? undefined : foundAtMs - Math.max(0, ageMs);
    const tracked = new TrackedOperation({ id, key, ...caller }, sealed, {
      acceptedAtMs,
      foundAtMs,
    });
    this.#byKey.set(key, tracked);
    this.#forget(this.#byKey.size - trackedMax);
    return tracked;
  }

  #forget(count: number): void {
    let left = count;
    for (const [key, tracked] of this.#byKey) {
      if (left <= 0) return;
      if (tracked.isInUse) continue;
      this.#byKey.delete(key);
      left -= 1;
    }
  }
}

/** How far the clocks of two gateways are apart as a rule. */
const skewMsMax = 2_000;

/** One caller's view of an operation: without credentials of their own, all share one. */
function keyOf(id: string, { passthrough }: CallerContext): string {
  return passthrough === undefined ? id : `${id} ${passthrough.view}`;
}
