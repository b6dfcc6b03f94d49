import { create } from '@bufbuild/protobuf';
import { anyUnpack, AnySchema, type Any } from '@bufbuild/protobuf/wkt';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { cheapPart } from './wire-fields.ts';

/** Domain of the `google.rpc.ErrorInfo` of the product's own service. */
export const serviceErrorDomain = 'image-generation-gateway';

/** Its reason of an operation whose image may have been made and paid for, and is lost. */
export const outcomeUnknown = 'OUTCOME_UNKNOWN';

/** What the service says of an error, beyond its code. */
export interface ServiceErrorInfo {
  readonly reason: string;
  /** Whether it says of a Generate that nothing was started. */
  readonly isNotStarted: boolean;
}

const limits = { bytesMax: 4_096, fieldsMax: 100 };

/** The ErrorInfo of the service among google.rpc details. Any peer can write one: only the service's is to be believed. */
export function serviceErrorInfo(details: readonly Any[]): ServiceErrorInfo | undefined {
  for (const { typeUrl, value } of details) {
    const info = errorInfoFrom(create(AnySchema, { typeUrl, value: cheapPart(value, limits) }));
    if (info?.domain !== serviceErrorDomain) continue;
    return { reason: info.reason, isNotStarted: info.metadata['outcome'] === 'not_started' };
  }
  return undefined;
}

function errorInfoFrom(detail: Any) {
  try {
    return anyUnpack(detail, ErrorInfoSchema);
  } catch {
    return undefined;
  }
}
