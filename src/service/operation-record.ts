import type { RenderedImage, RenderPlan } from '../renderers/renderer.ts';

/**
 * How far an operation has come.
 *
 * `queued`: nothing was asked of the renderer. `dispatched`: it may have been.
 * `stored`: its image is on disk. `done`: it has ended, for good.
 */
export type OperationState = 'queued' | 'dispatched' | 'stored' | 'done';

/** An image on disk. */
export interface StoredImage {
  /** Fence of the attempt that made it; part of the file's name. */
  readonly fence: number;
  readonly byteLength: number;
  /** Of its file, head and image: SHA-256, base64url. */
  readonly sha256: string;
  /** What the renderer said of it; absent in files of an earlier version. */
  readonly facts?: ImageFacts;
}

/** What a renderer reports with an image. */
export type ImageFacts = Omit<RenderedImage, 'bytes'>;

/** How an operation ended: without a failure it succeeded. `code` is a gRPC code. */
export interface OperationFailure {
  readonly code: number;
  readonly message: string;
  /** Reason of a `google.rpc.ErrorInfo`, where programs need to tell it from others. */
  readonly reason?: string;
}

/** A plan without its texts: what an operation says of its image after the end. */
export type PlannedImage = Omit<RenderPlan, 'prompt' | 'negativePrompts'>;

/** One operation as it is stored. Times are milliseconds since 1970. */
export interface OperationRecord {
  readonly schema: 1;
  readonly id: string;
  readonly state: OperationState;
  /** Who had it made: name of an API key, empty where none is needed. */
  readonly owner: string;
  readonly acceptedAtMs: number;
  readonly modifiedAtMs: number;
  /** Not rendered before. */
  readonly dueAtMs: number;
  /** Given up when it is still queued then. */
  readonly deadlineAtMs: number;
  /** Grows with every dispatch: what an earlier attempt brings is not taken. */
  readonly fence: number;
  /** Dispatches that count; a planned stop gives its own back. */
  readonly attempts: number;
  /** Dropped at the end, unless the image may be rendered again from it. */
  readonly plan?: RenderPlan;
  /** Of an ended operation, whose plan is dropped. */
  readonly planned?: PlannedImage;
  /** Name of the renderer of the last attempt, and when that began. */
  readonly backend?: string;
  readonly startedAtMs?: number;
  readonly image?: StoredImage;
  readonly failure?: OperationFailure;
  readonly modelVersion?: string;
  /** Whether its caller wants it ended. */
  readonly isCancelWanted?: boolean;
}

/** gRPC codes of ends that are made here. */
export const endCodes = {
  cancelled: 1,
  deadline: 4,
  exhausted: 8,
  aborted: 10,
  internal: 13,
  unauthenticated: 16,
} as const;

/** Attempts of one operation, crashes included. */
export const attemptsMax = 3;

export function acceptedRecord(
  accept: Pick<OperationRecord, 'id' | 'owner' | 'plan'>,
  times: { readonly nowMs: number; readonly delayMs: number; readonly deadlineMs: number },
): OperationRecord {
  const { nowMs, delayMs, deadlineMs } = times;
  return {
    schema: 1,
    ...accept,
    state: 'queued',
    acceptedAtMs: nowMs,
    modifiedAtMs: nowMs,
    dueAtMs: nowMs + delayMs,
    deadlineAtMs: nowMs + delayMs + deadlineMs,
    fence: 0,
    attempts: 0,
  };
}

/** A change of a record; undefined refuses it, because the record has moved on. */
export type RecordChange = (record: OperationRecord) => OperationRecord | undefined;

/** Before the renderer is asked. @param backend Its name. */
export function dispatch(nowMs: number, backend: string): RecordChange {
  return (record) =>
    record.state === 'queued'
      ? {
          ...record,
          state: 'dispatched',
          fence: record.fence + 1,
          attempts: record.attempts + 1,
          backend,
          startedAtMs: nowMs,
          modifiedAtMs: nowMs,
        }
      : undefined;
}

/** Back into the queue: the attempt `fence` is known to have made nothing, or may be repeated. */
export function requeue(
  fence: number,
  options: { readonly nowMs: number; readonly dueAtMs: number; readonly givesBack: boolean },
): RecordChange {
  const { nowMs, dueAtMs, givesBack } = options;
  return (record) =>
    isAttempt(record, fence)
      ? {
          ...record,
          state: 'queued',
          attempts: record.attempts - (givesBack ? 1 : 0),
          dueAtMs,
          modifiedAtMs: nowMs,
        }
      : undefined;
}

/** The image of the attempt is on disk. */
export function store(image: StoredImage, nowMs: number): RecordChange {
  return (record) =>
    isAttempt(record, image.fence)
      ? { ...record, state: 'stored', image, modifiedAtMs: nowMs }
      : undefined;
}

/** The end with an image. */
export function succeed(options: {
  readonly nowMs: number;
  readonly keepsPlan: boolean;
}): RecordChange {
  const { nowMs, keepsPlan } = options;
  return (record) => {
    if (record.state !== 'stored' || record.image === undefined) return undefined;
    const { plan, isCancelWanted: _, ...rest } = record;
    return {
      ...rest,
      ...(plan !== undefined && (keepsPlan ? { plan } : { planned: withoutTexts(plan) })),
      state: 'done',
      modelVersion: record.image.facts?.modelVersion ?? '',
      modifiedAtMs: nowMs,
    };
  };
}

/** The end without one, out of the queue or by the attempt `fence`. */
export function fail(failure: OperationFailure, nowMs: number, fence?: number): RecordChange {
  return (record) => {
    const isMeant = fence === undefined ? record.state === 'queued' : isAttempt(record, fence);
    if (!isMeant) return undefined;
    const { plan, isCancelWanted: _, ...rest } = record;
    return {
      ...rest,
      ...(plan !== undefined && { planned: withoutTexts(plan) }),
      state: 'done',
      failure,
      modifiedAtMs: nowMs,
    };
  };
}

/** The end that the caller asks for: at once where nothing was asked, else when the attempt ends without an image. */
export function cancel(nowMs: number): RecordChange {
  const failure = { code: endCodes.cancelled, message: 'the operation was cancelled' };
  return (record) => {
    if (record.state === 'queued') return fail(failure, nowMs)(record);
    if (record.state !== 'dispatched' || record.isCancelWanted === true) return undefined;
    return { ...record, isCancelWanted: true };
  };
}

/** The image's file was dropped to make room, and can be rendered again. */
export function dropImage(record: OperationRecord): OperationRecord | undefined {
  if (record.state !== 'done' || record.plan === undefined || record.image === undefined)
    return undefined;
  const { image: _, ...rest } = record;
  return rest;
}

function isAttempt(record: OperationRecord, fence: number): boolean {
  return record.state === 'dispatched' && record.fence === fence;
}

function withoutTexts(plan: RenderPlan): PlannedImage {
  const { prompt: _, negativePrompts: __, ...planned } = plan;
  return planned;
}
