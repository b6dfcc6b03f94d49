import { randomUUID } from 'node:crypto';
import { Metadata } from '@grpc/grpc-js';
import { traceParentFromText } from '../../text/traceparent.ts';

/** Metadata that is the same for every call. */
export interface FixedMetadata {
  /** `false` asks the upstream not to store prompts. */
  readonly dataLogging: boolean;
  /** Sent only where the operator wants it. */
  readonly folderId?: string | undefined;
}

/** Under which a Generate is sent to the service, and settled when it is not answered. */
export interface ServiceKey {
  /** Of this one create. */
  readonly key: string;
  /** Id of the store that it is meant for: any other refuses it. */
  readonly storeId: string;
}

/**
 * All metadata of one call, a fixed set of names. Headers of callers are never
 * copied by name: some would drop the connection that all calls share.
 */
export function callMetadata(
  fixed: FixedMetadata,
  call: {
    readonly authorization?: string | undefined;
    readonly traceparent?: string | undefined;
    readonly serviceKey?: ServiceKey | undefined;
  },
): Metadata {
  const { authorization, traceparent, serviceKey } = call;
  const metadata = new Metadata();
  metadata.set('x-client-request-id', randomUUID());
  if (authorization !== undefined) metadata.set('authorization', authorization);
  if (!fixed.dataLogging) metadata.set('x-data-logging-enabled', 'false');
  if (fixed.folderId !== undefined) metadata.set('x-folder-id', fixed.folderId);
  if (traceparent !== undefined && traceParentFromText(traceparent) !== undefined) {
    metadata.set('traceparent', traceparent);
  }
  if (serviceKey !== undefined) {
    metadata.set('idempotency-key', serviceKey.key);
    metadata.set('x-service-store', serviceKey.storeId);
  }
  return metadata;
}
