import type { Clock } from '../clock/clock.ts';
import {
  RendererError,
  type Attempt,
  type FoundWork,
  type RenderedImage,
  type Renderer,
  type RenderPlan,
} from '../renderers/renderer.ts';
import { attemptEnd, failureOf, type AttemptEnd } from './attempt-end.ts';
import type { BackendGate } from './backend-gate.ts';
import { backendWords } from './backend-words.ts';
import type { DispatcherObserver } from './dispatcher-observer.ts';
import { cancelled, type OperationRecord } from './operation-record.ts';
import type { OperationStore } from './operation-store.ts';
import type { OwnedWrites } from './owned-writes.ts';

export interface AttemptsOptions {
  readonly store: OperationStore;
  readonly renderer: Renderer;
  readonly clock: Clock;
  readonly observer: DispatcherObserver;
  readonly writes: OwnedWrites;
  readonly gate: BackendGate;
  /** Whether this process is about to end. */
  readonly isStopping: () => boolean;
  /** Whether another process has taken over. */
  readonly isLost: () => boolean;
  /** Milliseconds for which an operation may still wait. */
  readonly deadlineLeftMs: (record: OperationRecord) => number;
}

/** Between two looks for a result. */
const lookEveryMs = 2_000;
/** A result is looked for until the deadline of its operation, and at least as long as this. */
const lookMsMin = 600_000;

/** What a look is ended with where the next process goes on with it. */
class LeftToNext extends Error {
  override readonly name = 'LeftToNext';
}

/** Makes the attempts of operations, each to its written end. */
export class Attempts {
  readonly #options: AttemptsOptions;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /**
   * Asks the renderer for the image of a dispatched operation, or looks for that
   * of a submitted one. Never rejects.
   *
   * @returns The record, when it is queued again.
   */
  async run(
    record: OperationRecord,
    plan: RenderPlan,
    signal: AbortSignal,
  ): Promise<OperationRecord | undefined> {
    const { clock, writes, gate, store } = this.#options;
    const startMs = clock.elapsedMs();
    try {
      const image =
        record.reference === undefined
          ? await this.#render(record, plan, signal)
          : await this.#look(record, plan, record.reference, signal);
      gate.answered();
      const end = await this.#keep(record, image);
      this.#report(record, startMs, { ...end, requestId: image.requestId });
      return undefined;
    } catch (error) {
      if (error instanceof LeftToNext) return undefined;
      if (!signal.aborted) gate.failed(error);
      const isCancelled = store.get(record.id)?.isCancelWanted === true;
      const end = this.#endOf(record, plan, error, { signal, isCancelled });
      const queued = await writes.attemptEnd(record, end);
      this.#report(record, startMs, {
        outcome: isCancelled ? 'cancelled' : outcomeOf(end),
        spent: end.spent,
        lossCause: end.lossCause,
        error: withoutPrompt(error, plan),
        requestId: failureOf(error).options.requestId,
      });
      return queued;
    }
  }

  async #render(
    record: OperationRecord,
    plan: RenderPlan,
    signal: AbortSignal,
  ): Promise<RenderedImage> {
    const { renderer, writes } = this.#options;
    let reference: string | undefined;
    const submitted = async (given: string) => {
      await writes.submitted(record, given);
      reference = given;
    };
    try {
      return await renderer.render(plan, { ...attemptOf(record, signal), submitted });
    } catch (error) {
      // Known by its reference, it is not lost yet.
      if (reference === undefined || isEnd(error)) throw error;
      return this.#look(record, plan, reference, signal);
    }
  }

  async #look(
    record: OperationRecord,
    plan: RenderPlan,
    reference: string,
    signal: AbortSignal,
  ): Promise<RenderedImage> {
    const { clock, deadlineLeftMs, isStopping, isLost } = this.#options;
    const untilMs = clock.elapsedMs() + Math.max(deadlineLeftMs(record), lookMsMin);
    for (;;) {
      const found = await this.#found(record, plan, reference, signal);
      if (typeof found !== 'string') return found;
      if (found === 'lost') {
        throw new RendererError('unknown', 'the backend has lost the image', {
          lossCause: 'status',
        });
      }
      if (isStopping() || isLost()) throw new LeftToNext();
      if (signal.aborted) throw new RendererError('failed', 'the image was given up');
      if (clock.elapsedMs() > untilMs) {
        throw new RendererError('unknown', 'the image was not ready in time', {
          lossCause: 'timeout',
        });
      }
      await this.#pause(lookEveryMs, signal);
    }
  }

  /** What became of submitted work; a look that failed is repeated. */
  async #found(
    record: OperationRecord,
    plan: RenderPlan,
    reference: string,
    signal: AbortSignal,
  ): Promise<FoundWork> {
    const { renderer } = this.#options;
    const attempt = { ...attemptOf(record, signal), submitted: async () => undefined };
    try {
      return (await renderer.find?.(plan, reference, attempt)) ?? 'lost';
    } catch (error) {
      if (isEnd(error)) throw error;
      return 'running';
    }
  }

  /** Resolves after a while, or when the attempt is aborted. */
  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancelTimer();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const cancelTimer = this.#options.clock.after(ms, end);
      signal.addEventListener('abort', end);
    });
  }

  async #keep(record: OperationRecord, image: RenderedImage) {
    const { store, writes } = this.#options;
    if (store.get(record.id)?.isCancelWanted === true) {
      await writes.attemptEnd(record, { kind: 'fail', failure: cancelled, spent: 'yes' });
      return { outcome: 'cancelled', spent: 'yes' } as const;
    }
    const end = await writes.image(record, image);
    if (end === 'lost') return { outcome: 'failed', spent: 'unknown', lossCause: 'disk' } as const;
    if (end === 'unusable') return { outcome: 'failed', spent: 'yes' } as const;
    return { outcome: end === 'kept' ? 'image' : end, spent: 'yes' } as const;
  }

  #endOf(
    record: OperationRecord,
    plan: RenderPlan,
    error: unknown,
    { signal, isCancelled }: { readonly signal: AbortSignal; readonly isCancelled: boolean },
  ): AttemptEnd {
    const { renderer, isStopping, deadlineLeftMs } = this.#options;
    const end = attemptEnd(error, {
      ...{ spend: renderer.spend, backend: renderer.name, attempts: record.attempts, plan },
      deadlineLeftMs: deadlineLeftMs(record),
      ...(signal.aborted && isStopping() && { endedBy: 'stop' }),
    });
    return isCancelled ? { kind: 'fail', failure: cancelled, spent: end.spent } : end;
  }

  #report(
    { id, attempts }: OperationRecord,
    startMs: number,
    end: Omit<AttemptReport, 'operationId' | 'attempt' | 'durationMs' | 'backend'>,
  ): void {
    const { observer, clock, renderer } = this.#options;
    observer.attemptEnded({
      ...{ operationId: id, attempt: attempts, backend: renderer.name },
      durationMs: clock.elapsedMs() - startMs,
      ...end,
    });
  }
}

type AttemptReport = Parameters<DispatcherObserver['attemptEnded']>[0];

function attemptOf({ id, attempts }: OperationRecord, signal: AbortSignal) {
  return { operationId: id, number: attempts, signal } satisfies Partial<Attempt>;
}

/** Whether an error says that there will be no image, however often it is looked for. */
function isEnd(error: unknown): boolean {
  return !['not_sent', 'busy', 'unknown'].includes(failureOf(error).failure);
}

function outcomeOf({ kind, lossCause }: AttemptEnd): AttemptReport['outcome'] {
  if (kind === 'requeue') return 'requeued';
  return lossCause === undefined ? 'failed' : 'unknown';
}

/** For the log: what went wrong, without the texts of the request. */
function withoutPrompt(error: unknown, plan: RenderPlan): string {
  return backendWords(error instanceof Error ? error.message : String(error), plan);
}
