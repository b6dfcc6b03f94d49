import type { Any } from '@bufbuild/protobuf/wkt';
import type { ImageFacts } from '../../image/sniff.ts';
import type { Failure } from '../../translation/outcome.ts';
import type { OperationForm } from '../operation-id.ts';

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
 * snapshot, so whatever was made from one (its JSON) can be kept beside it.
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
  /** By the upstream's clock where it tells, else when the gateway had it accepted. */
  readonly createdAtMs: number;
  /** By the upstream's clock where it tells, else when the gateway learned of the change. */
  readonly modifiedAtMs: number;
  /** The same times, only as far as the upstream itself told them. */
  readonly upstreamTimes: { readonly createdAtMs?: number; readonly modifiedAtMs?: number };
  readonly metadata: Any | undefined;
  readonly state: OperationState;
}

/** Whether nothing more will happen to it. */
export function isFinished(snapshot: OperationSnapshot): boolean {
  return snapshot.state.status !== 'running';
}
