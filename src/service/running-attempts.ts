import type { CancelTimer, Clock } from '../clock/clock.ts';
import type { OperationRecord } from './operation-record.ts';

interface RunningAttempt {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

type AttemptName = Pick<OperationRecord, 'id' | 'fence'>;

/** How long attempts may take to end after they were aborted. */
const abortedMsMax = 5_000;

/** The attempts that are under way in this process. Each holds a slot until it has ended. */
export class RunningAttempts {
  readonly #running = new Map<string, RunningAttempt>();

  get size(): number {
    return this.#running.size;
  }

  has(attempt: AttemptName): boolean {
    return this.#running.has(nameOf(attempt));
  }

  /** @param work Never rejects. @param ended Called when the slot is free again. */
  add(
    attempt: AttemptName,
    work: (signal: AbortSignal) => Promise<OperationRecord | undefined>,
    ended: (queued: OperationRecord | undefined) => void,
  ): void {
    const abort = new AbortController();
    const run = async () => {
      const queued = await work(abort.signal);
      this.#running.delete(nameOf(attempt));
      ended(queued);
    };
    this.#running.set(nameOf(attempt), { abort, ended: run() });
  }

  abort(attempt: AttemptName): void {
    this.#running.get(nameOf(attempt))?.abort.abort();
  }

  /** Resolves when all have ended, and soon after the grace; `overdue` is called before they are aborted then. */
  async end(graceMs: number, clock: Clock, overdue: () => void): Promise<void> {
    const ended = Promise.all([...this.#running.values()].map(({ ended: each }) => each));
    let cancelTimer: CancelTimer = () => undefined;
    const isOver = new Promise<void>((resolve) => {
      cancelTimer = clock.after(graceMs, () => {
        overdue();
        for (const { abort } of this.#running.values()) abort.abort();
        // One that does not end then is as after a crash.
        cancelTimer = clock.after(abortedMsMax, resolve);
      });
    });
    await Promise.race([ended, isOver]);
    cancelTimer();
  }
}

function nameOf({ id, fence }: AttemptName): string {
  return `${id}.${fence}`;
}
