import type { GatewayError } from '../../errors/gateway-error.ts';
import type { CallerContext } from '../caller-context.ts';

/** One caller's view of an operation: whose it is, with which credential and in which trace it is read. */
export interface OperationView extends CallerContext {
  /** The id callers hold. */
  readonly id: string;
  /** Tells it apart from other operations, and from other credentials' views of the same one. */
  readonly key: string;
}

/** A caller who waits for the end of an operation. Woken once. */
export interface Waiter {
  wake(): void;
}

/** What one read of the upstream brought, shared by all who asked for it. */
export interface ReadResult {
  /** The image, when the read found one; handed on even if no cache can hold it. */
  readonly bytes?: Uint8Array;
  readonly error?: GatewayError;
}
