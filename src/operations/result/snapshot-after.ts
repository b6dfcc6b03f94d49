import { createHash } from 'node:crypto';
import type { Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import type { Outcome } from '../../translation/outcome.ts';
import { millisecondsFromTimestamp } from '../../translation/timestamp.ts';
import type { OperationSnapshot, OperationState } from './snapshot.ts';

const finishedRevision = 2;

/** What is known after the upstream told an outcome; `operation` is absent when it told nothing else. */
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
    metadata: operation?.metadata ?? before.metadata,
    createdAtMs: createdAtMs ?? before.createdAtMs,
    modifiedAtMs: modifiedAtMs ?? (isChange ? nowMs : before.modifiedAtMs),
    upstreamTimes: {
      ...before.upstreamTimes,
      ...(createdAtMs !== undefined && { createdAtMs }),
      ...(modifiedAtMs !== undefined && { modifiedAtMs }),
    },
  };
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
