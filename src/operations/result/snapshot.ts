import { createHash } from 'node:crypto';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { ImageFacts } from '../../image/sniff.ts';
import type { Failure, Outcome } from '../../translation/outcome.ts';
import {
  isServiceMetadata,
  renderingFromMetadata,
  type Rendering,
} from '../../translation/rendering.ts';
import { millisecondsFromTimestamp } from '../../translation/timestamp.ts';
import type { OperationForm, SealedOperation } from '../operation-id.ts';

/** What is remembered of a finished image; its bytes live in the result cache. */
export interface FinishedImage extends ImageFacts {
  readonly byteLength: number;
  /** SHA-256 of the bytes. */
  readonly sha256: Buffer;
  readonly modelVersion: string;
}

export type OperationState =
  | { readonly status: 'running' }
  | { readonly status: 'succeeded'; readonly image: FinishedImage }
  | { readonly status: 'failed'; readonly failure: Failure }
  | { readonly status: 'canceled'; readonly failure: Failure };

/**
 * One operation as it was at one moment. Never changed: a new state is a new
 * snapshot, so what was made from one (its JSON) can be kept beside it.
 */
export interface OperationSnapshot {
  /** The id callers hold. */
  readonly id: string;
  /** The seed the image is made from, always known. */
  readonly seed: bigint;
  readonly form: OperationForm;
  /** Grows with every change of the state: 1 running, 2 finished. */
  readonly revision: number;
  readonly description: string;
  readonly createdBy: string;
  /** By the upstream's clock where it reports that, else when the gateway had it accepted. */
  readonly createdAtMs: number;
  /** By the upstream's clock where it reports that, else when the gateway learned of the change. */
  readonly modifiedAtMs: number;
  /** The same times, only as far as the upstream itself reported them. */
  readonly upstreamTimes: { readonly createdAtMs?: number; readonly modifiedAtMs?: number };
  /** Of an upstream that is not the service. */
  readonly metadata: Any | undefined;
  /** What the service said of how the image is made; absent where it said nothing. */
  readonly rendering?: Rendering | undefined;
  readonly state: OperationState;
}

/** Whether the operation has ended. */
export function isFinished(snapshot: OperationSnapshot): boolean {
  return snapshot.state.status !== 'running';
}

const runningRevision = 1;
const finishedRevision = 2;

/** The snapshot of an operation of which only the id is known. */
export function snapshotFromSealed(id: string, sealed: SealedOperation): OperationSnapshot {
  const { seed, form, acceptedAtMs } = sealed;
  return {
    id,
    seed,
    form,
    revision: runningRevision,
    description: '',
    createdBy: '',
    createdAtMs: acceptedAtMs,
    modifiedAtMs: acceptedAtMs,
    upstreamTimes: {},
    metadata: undefined,
    state: { status: 'running' },
  };
}

/** The snapshot after the upstream reported an outcome; `operation` is absent when it reported nothing else. */
export function snapshotAfter(
  before: OperationSnapshot,
  operation: Operation | undefined,
  outcome: Outcome,
  nowMs: number,
): OperationSnapshot {
  const createdAtMs = millisecondsFromTimestamp(operation?.createdAt);
  const modifiedAtMs = millisecondsFromTimestamp(operation?.modifiedAt);
  const isChange = outcome.status !== 'running' && before.state.status === 'running';
  return {
    ...before,
    state: stateFromOutcome(outcome),
    revision: outcome.status === 'running' ? before.revision : finishedRevision,
    description: operation?.description ?? before.description,
    createdBy: operation?.createdBy ?? before.createdBy,
    ...metadataAfter(before, operation?.metadata),
    createdAtMs: createdAtMs ?? before.createdAtMs,
    // The gateway's clock may have stepped back since; a change before the beginning would confuse readers.
    modifiedAtMs:
      modifiedAtMs ?? (isChange ? Math.max(nowMs, before.createdAtMs) : before.modifiedAtMs),
    upstreamTimes: {
      ...before.upstreamTimes,
      ...(createdAtMs !== undefined && { createdAtMs }),
      ...(modifiedAtMs !== undefined && { modifiedAtMs }),
    },
  };
}

function metadataAfter(
  before: OperationSnapshot,
  metadata: Any | undefined,
): Pick<OperationSnapshot, 'metadata' | 'rendering'> {
  if (metadata === undefined) return { metadata: before.metadata, rendering: before.rendering };
  if (!isServiceMetadata(metadata)) return { metadata, rendering: before.rendering };
  return { metadata: undefined, rendering: renderingFromMetadata(metadata) ?? before.rendering };
}

function stateFromOutcome(outcome: Outcome): OperationState {
  if (outcome.status !== 'succeeded') return outcome;
  const { bytes, facts } = outcome.image;
  return {
    status: 'succeeded',
    image: {
      ...facts,
      byteLength: bytes.byteLength,
      sha256: createHash('sha256').update(bytes).digest(),
      modelVersion: outcome.modelVersion,
    },
  };
}
