import type { LossCause, Spent } from './attempt-end.ts';
import type { ShutCause } from './backend-gate.ts';

/** Called as things happen; must be quick and may not throw. */
export interface DispatcherObserver {
  /** An operation was dispatched, so long after it was due. */
  dispatched(dispatch: {
    readonly operationId: string;
    readonly backend: string;
    readonly waitedMs: number;
  }): void;
  /**
   * An attempt ended: with an image, back in the queue, for good, as one of which
   * no one can tell whether it was paid for, cancelled by its caller, or with an
   * image for which it was too late.
   */
  attemptEnded(attempt: {
    readonly operationId: string;
    readonly attempt: number;
    readonly backend: string;
    readonly outcome: 'image' | 'requeued' | 'failed' | 'unknown' | 'cancelled' | 'late';
    readonly durationMs: number;
    /** Whether it cost what an image costs. */
    readonly spent: Spent;
    /** Of an image that may have been paid for and is lost. */
    readonly lossCause?: LossCause | undefined;
    /** What went wrong, without the texts of the request. */
    readonly error?: string;
    /** The backend's own id of the request, to find it in a bill. */
    readonly requestId?: string | undefined;
  }): void;
  /** What a process before this one left unfinished. `lost`: it may have been paid for. */
  recovered(operationId: string, how: RecoveredHow): void;
  /** An image came after another process had taken over, or after the operation had ended. */
  late(operationId: string): void;
  /** The backend was shut off, by its answers or by an operator, or is asked again (undefined). */
  backendChanged(backend: string, cause: ShutCause | undefined): void;
  /** Something could not be written, and is tried again. */
  writeFailed(operationId: string, error: unknown): void;
  /** Something went wrong that no caller has caused. */
  failed(error: unknown): void;
}

export type RecoveredHow = 'queued' | 'submitted' | 'image_found' | 'repeated' | 'failed' | 'lost';
