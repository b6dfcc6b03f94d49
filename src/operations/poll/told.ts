import type { Reason } from '../../errors/reason.ts';
import type { OperationSnapshot } from '../result/snapshot.ts';
import { unknownOperation } from '../operation-id.ts';
import { isSettled, type TrackedOperation } from './tracked-operation.ts';

const credentialReasons: ReadonlySet<Reason> = new Set([
  'upstream_auth',
  'unauthenticated',
  'permission_denied',
]);

/** What a caller is told: the snapshot, or why there is none worth telling. */
export function snapshotOrThrow(tracked: TrackedOperation): OperationSnapshot {
  if (tracked.expired !== undefined) throw tracked.expired;
  if (isSettled(tracked)) return tracked.snapshot;
  const { lastError } = tracked;
  // A refused credential, the gateway's or the caller's own, is nothing that waiting mends.
  const isFatal = lastError !== undefined && credentialReasons.has(lastError.reason);
  // An operation of somebody else's looks like one that never was.
  if (lastError?.reason === 'permission_denied') throw unknownOperation();
  if (lastError !== undefined && (isFatal || !tracked.known)) throw lastError;
  return tracked.snapshot;
}
