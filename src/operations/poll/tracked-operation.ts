import type { GatewayError } from '../../errors/gateway-error.ts';
import type { PassthroughCredential } from '../caller-context.ts';
import type { CancelTimer } from '../../clock/clock.ts';
import type { SealedOperation } from '../operation-id.ts';
import type { OperationSnapshot } from '../result/snapshot.ts';

/** Somebody who wants to be told, once, that the operation is settled. */
export interface Waiter {
  tell(): void;
}

/** What one read of the upstream brought, shared by all who asked for it. */
export interface ReadResult {
  /** The image, when the read found one; handed on even if no cache can hold it. */
  readonly bytes?: Uint8Array;
  readonly error?: GatewayError;
}

/** All that this process knows of one operation. Belongs to the polling hub. */
export interface TrackedOperation {
  /** Tells it apart from others, and from other callers' views of the same one. */
  readonly key: string;
  /** Whose it is. */
  readonly tenant: string;
  /** The credential it is read with, where callers bring their own. */
  readonly passthrough: PassthroughCredential | undefined;
  /** Trace of the request that brought it here, which its reads belong to. */
  readonly traceparent: string | undefined;
  readonly sealed: SealedOperation;
  snapshot: OperationSnapshot;
  /** Whether the upstream itself has told this process about it. */
  known: boolean;
  /** Set for good when the upstream no longer has it. */
  expired: GatewayError | undefined;
  /** Why the last read brought nothing; cleared by one that did. */
  lastError: GatewayError | undefined;
  /** Reads of the upstream so far. */
  polls: number;
  /** Reads in a row that brought nothing. */
  failures: number;
  /** Results in a row that were no images. */
  badResults: number;
  /** Greatest age at which it was seen running. */
  runningAgeMs: number;
  nextPollAtMs: number;
  reading: Promise<ReadResult> | undefined;
  readonly waiters: Set<Waiter>;
  cancelTimer: CancelTimer | undefined;
}

/** Whether nobody needs to ask the upstream about it any more. */
export function isSettled(tracked: TrackedOperation): boolean {
  return tracked.expired !== undefined || tracked.snapshot.state.status !== 'running';
}

/** An operation of which only the id is known. */
export function trackedFromSealed(
  view: Pick<TrackedOperation, 'key' | 'tenant' | 'passthrough' | 'traceparent'> & {
    readonly id: string;
  },
  sealed: SealedOperation,
): TrackedOperation {
  const { id, key, tenant, passthrough, traceparent } = view;
  return {
    key,
    tenant,
    passthrough,
    traceparent,
    sealed,
    snapshot: {
      id,
      seed: sealed.seed,
      form: sealed.form,
      revision: 1,
      description: '',
      createdBy: '',
      createdAtMs: sealed.acceptedAtMs,
      modifiedAtMs: sealed.acceptedAtMs,
      upstreamTimes: {},
      metadata: undefined,
      state: { status: 'running' },
    },
    known: false,
    expired: undefined,
    lastError: undefined,
    polls: 0,
    failures: 0,
    badResults: 0,
    runningAgeMs: 0,
    nextPollAtMs: 0,
    reading: undefined,
    waiters: new Set(),
    cancelTimer: undefined,
  };
}
