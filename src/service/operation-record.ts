import type { RenderedImage, RenderPlan } from '../renderers/renderer.ts';

/**
 * How far an operation has come.
 *
 * `queued`: nothing was asked of the renderer. `dispatched`: it may have been.
 * `submitted`: it was, and where the result will be found is known. `stored`: its
 * image is on disk. `done`: it has ended, for good.
 */
export type OperationState = 'queued' | 'dispatched' | 'submitted' | 'stored' | 'done';

/** An image on disk. */
export interface StoredImage {
  /** Fence of the attempt that made it; part of the file's name. */
  readonly fence: number;
  /** Whether it is the one made from the renderer's own bytes, in a file beside them. */
  readonly isFinished?: true;
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
  /** Of an image that may have been paid for: how it got lost. For the operator. */
  readonly lossCause?: string;
  /** Of that ErrorInfo. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Field of the request that is wrong, as `google.rpc.BadRequest` names it. */
  readonly field?: string;
}

/** A plan without its texts: what an operation says of its image after the end. */
export type PlannedImage = Omit<RenderPlan, 'prompt' | 'negativePrompts'>;

/**
 * Version of what a record may hold. 2: the state `submitted`. Records of earlier
 * versions are read as they are; a program that knows only those refuses these.
 */
export const recordSchema = 2;

/** One operation as it is stored. Times are milliseconds since 1970. */
export interface OperationRecord {
  readonly schema: number;
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
  /** Where the result of a submitted attempt will be found. */
  readonly reference?: string;
  /** Day, in UTC, on which the last attempt counts for its backend. */
  readonly spentDay?: string;
  /** Whether no byte of the last attempt left, because the backend was not reached. */
  readonly wasUnreachable?: boolean;
  /** How many processes went on with it since it was submitted or stored: one of them may have ended by it. */
  readonly takeUps?: number;
  readonly image?: StoredImage;
  readonly failure?: OperationFailure;
  readonly modelVersion?: string;
  /** Whether its caller wants it ended. */
  readonly isCancelWanted?: boolean;
}

/** gRPC codes of ends that are made here. */
export const endCodes = {
  cancelled: 1,
  invalid: 3,
  deadline: 4,
  exhausted: 8,
  aborted: 10,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export const cancelled: OperationFailure = {
  code: endCodes.cancelled,
  message: 'the operation was cancelled',
};

/** Ends of operations that waited too long. */
export const overdue: OperationFailure = {
  code: endCodes.deadline,
  message: 'the operation waited in the queue until its deadline',
};
export const neverSent: OperationFailure = {
  code: endCodes.unavailable,
  message: 'the image model could not be reached until the deadline of the operation',
};

/** Attempts of one operation, crashes included. */
export const attemptsMax = 3;

export function acceptedRecord(
  accept: Pick<OperationRecord, 'id' | 'owner' | 'plan'>,
  times: { readonly nowMs: number; readonly delayMs: number; readonly deadlineMs: number },
): OperationRecord {
  const { nowMs, delayMs, deadlineMs } = times;
  return {
    schema: recordSchema,
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

/** Before the renderer is asked. @param backend Its name. @param spentDay On which it counts there. */
export function dispatch(nowMs: number, backend: string, spentDay?: string): RecordChange {
  return (record) => {
    if (record.state !== 'queued') return undefined;
    const { spentDay: _, wasUnreachable: __, ...rest } = record;
    return {
      ...rest,
      state: 'dispatched',
      fence: record.fence + 1,
      attempts: record.attempts + 1,
      backend,
      ...(spentDay !== undefined && { spentDay }),
      startedAtMs: nowMs,
      modifiedAtMs: nowMs,
    };
  };
}

/** The renderer said where the result of the attempt will be found. */
export function submit(fence: number, reference: string, nowMs: number): RecordChange {
  return (record) =>
    isAttempt(record, fence)
      ? { ...record, state: 'submitted', reference, modifiedAtMs: nowMs }
      : undefined;
}

/** Before a process goes on with what the last one left, where that may be what ended it. */
export function takeUp(nowMs: number): RecordChange {
  return (record) =>
    record.state === 'submitted' || record.state === 'stored'
      ? { ...record, takeUps: (record.takeUps ?? 0) + 1, modifiedAtMs: nowMs }
      : undefined;
}

/** Back into the queue: the attempt `fence` is known to have made nothing, or may be repeated. */
export function requeue(
  fence: number,
  options: {
    readonly nowMs: number;
    readonly dueAtMs: number;
    readonly givesBack: boolean;
    readonly wasUnreachable?: boolean;
  },
): RecordChange {
  const { nowMs, dueAtMs, givesBack, wasUnreachable = false } = options;
  return (record) => {
    if (!isAttempt(record, fence)) return undefined;
    const { reference: _, takeUps: __, ...rest } = record;
    return {
      ...rest,
      ...(wasUnreachable && { wasUnreachable }),
      state: 'queued',
      attempts: record.attempts - (givesBack ? 1 : 0),
      dueAtMs,
      modifiedAtMs: nowMs,
    };
  };
}

/** The image of the attempt is on disk; too late for its caller where it was cancelled. */
export function store(image: StoredImage, nowMs: number): RecordChange {
  return (record) => {
    if (!isAttempt(record, image.fence)) return undefined;
    if (record.isCancelWanted === true) return fail(cancelled, nowMs, image.fence)(record);
    const { reference: _, takeUps: __, ...rest } = record;
    return { ...rest, state: 'stored', image, modifiedAtMs: nowMs };
  };
}

/** Its image is gone from the disk: the attempt is as if no one knew its end. */
export function loseImage(record: OperationRecord): OperationRecord | undefined {
  if (record.state !== 'stored') return undefined;
  const { image: _, ...rest } = record;
  return { ...rest, state: 'dispatched' };
}

/** The end of one whose image turned out not to be one. */
export function failStored(failure: OperationFailure, nowMs: number): RecordChange {
  return (record) => {
    const { image, ...rest } = record;
    if (record.state !== 'stored' || image === undefined) return undefined;
    return fail(failure, nowMs, image.fence)({ ...rest, state: 'dispatched' });
  };
}

/** The end with an image. */
export function succeed(options: {
  readonly nowMs: number;
  readonly keepsPlan: boolean;
  /** Where the image was converted: the file that callers get, and what got lost. */
  readonly finished?: { readonly image: StoredImage; readonly lost: readonly string[] } | undefined;
}): RecordChange {
  const { nowMs, keepsPlan, finished } = options;
  return (record) => {
    if (record.state !== 'stored' || record.image === undefined) return undefined;
    const { plan, isCancelWanted: _, takeUps: __, ...rest } = record;
    const lost = finished?.lost ?? [];
    return {
      ...rest,
      ...(plan !== undefined &&
        (keepsPlan ? { plan } : { planned: withIgnored(withoutTexts(plan), lost) })),
      ...(finished !== undefined && { image: finished.image }),
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
    const { plan, isCancelWanted: _, reference: __, takeUps: ___, ...rest } = record;
    return {
      ...rest,
      ...(plan !== undefined && { planned: withoutTexts(plan) }),
      state: 'done',
      failure,
      modifiedAtMs: nowMs,
    };
  };
}

/** The end that the caller asks for: at once where nothing was asked, else when the renderer has responded. */
export function cancel(nowMs: number): RecordChange {
  return (record) => {
    if (record.state === 'queued') return fail(cancelled, nowMs)(record);
    const isRunning = record.state === 'dispatched' || record.state === 'submitted';
    if (!isRunning || record.isCancelWanted === true) return undefined;
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
  const isRunning = record.state === 'dispatched' || record.state === 'submitted';
  return isRunning && record.fence === fence;
}

function withoutTexts(plan: RenderPlan): PlannedImage {
  const { prompt: _, negativePrompts: __, ...planned } = plan;
  return planned;
}

function withIgnored(planned: PlannedImage, lost: readonly string[]): PlannedImage {
  if (lost.length === 0) return planned;
  return { ...planned, ignored: [...new Set([...(planned.ignored ?? []), ...lost])] };
}
