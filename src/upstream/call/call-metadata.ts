import { randomUUID } from 'node:crypto';
import { Metadata } from '@grpc/grpc-js';
import { traceParentFromText } from '../../text/traceparent.ts';

export interface FixedMetadata {
  /** `false` asks the upstream not to keep prompts. */
  readonly dataLogging: boolean;
  /** Sent only where the operator wants it. */
  readonly folderId?: string | undefined;
}

/**
 * All metadata a call carries. Built here from nothing: a header of a caller's
 * that was copied by name could drop the connection that every call shares.
 */
export function callMetadata(
  fixed: FixedMetadata,
  call: { readonly authorization?: string | undefined; readonly traceparent?: string | undefined },
): Metadata {
  const { authorization, traceparent } = call;
  const metadata = new Metadata();
  metadata.set('x-client-request-id', randomUUID());
  if (authorization !== undefined) metadata.set('authorization', authorization);
  if (!fixed.dataLogging) metadata.set('x-data-logging-enabled', 'false');
  if (fixed.folderId !== undefined) metadata.set('x-folder-id', fixed.folderId);
  if (traceparent !== undefined && traceParentFromText(traceparent) !== undefined) {
    metadata.set('traceparent', traceparent);
  }
  return metadata;
}
