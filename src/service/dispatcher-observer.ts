/** Called as things happen; must be quick and may not throw. */
export interface DispatcherObserver {
  /** An attempt ended: with an image, back in the queue, or for good. */
  attemptEnded(attempt: {
    readonly operationId: string;
    readonly attempt: number;
    readonly outcome: 'image' | 'requeued' | 'failed';
    readonly durationMs: number;
    readonly error?: unknown;
  }): void;
  /** What a process before this one left unfinished. */
  recovered(operationId: string, how: 'queued' | 'image_found' | 'repeated' | 'failed'): void;
  /** An image came after another process had taken over, or after the operation had ended. */
  late(operationId: string): void;
  /** Something could not be written, and is tried again. */
  writeFailed(operationId: string, error: unknown): void;
  /** Something went wrong that no caller has caused. */
  failed(error: unknown): void;
}
