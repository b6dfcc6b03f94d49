import type { GatewayError } from '../../errors/gateway-error.ts';
import type { Reason } from '../../errors/reason.ts';
import type { TrackedOperation } from './tracked-operation.ts';

/** Events of polling that no caller sees. What it does must be quick and may not throw. */
export interface PollingObserver {
  /** A read brought nothing; the next one comes by schedule. */
  readFailed(failure: ReadFailure): void;
  /** It is done, and its result can't be read: nothing but its upstream id leads to the image. */
  resultLost?(result: LostResult): void;
  /** It was seen running. */
  stillRunning?(tracked: TrackedOperation, run: RunningTimes): void;
  /** It has ended, or is gone. Called once for each. */
  over?(tracked: TrackedOperation, end: OperationEnd): void;
}

/** A read that brought nothing. */
export interface ReadFailure {
  readonly error: GatewayError;
  readonly operationId: string;
}

/** A result that can't be read, with the ids to fetch it by hand. */
export interface LostResult {
  readonly operationId: string;
  readonly upstreamId: string;
  readonly reason: Reason;
}

/** How long an operation ran since this process found it, as it was seen now and the time before. */
export interface RunningTimes {
  readonly ranForMs: number;
  readonly beforeMs: number;
}

/** How an operation ended, as far as this process followed it. */
export interface OperationEnd {
  readonly outcome: 'succeeded' | 'failed' | 'canceled' | 'expired';
  /** From accepted to done; undefined when it can't be known. */
  readonly tookMs: number | undefined;
  /** Reads of the upstream it took. */
  readonly polls: number;
}
