import { create, fromBinary } from '@bufbuild/protobuf';
import { anyUnpack, AnySchema } from '@bufbuild/protobuf/wkt';
import type { Violation } from '../../errors/violation-list.ts';
import { printableText } from '../../text/printable.ts';
import {
  BadRequestSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema, type Status } from '../../gen/google/rpc/status_pb.ts';
import { serviceErrorInfo, type ServiceErrorInfo } from '../../grpc/service-errors.ts';
import { cheapPart } from '../../grpc/wire-fields.ts';

/** What callers may know of the upstream's google.rpc details. */
export interface ErrorDetails {
  readonly violations: readonly Violation[];
  /** Seconds, rounded up, 1 … 60. */
  readonly retryAfterS: number | undefined;
  readonly requestId: string | undefined;
  /** To be believed only where the upstream is the service. */
  readonly service: ServiceErrorInfo | undefined;
}

const noDetails: ErrorDetails = {
  ...{ violations: [], retryAfterS: undefined },
  ...{ requestId: undefined, service: undefined },
};
const limits = { bytesMax: 65_536, fieldsMax: 100 };
const violationsMax = 50;
const retryAfterSMax = 60;
const textCharactersMax = 300;
const requestIdCharactersMax = 128;

/** Reads `grpc-status-details-bin`. Details that are of an unknown type or broken are left out. */
export function errorDetailsFromBytes(bytes: Uint8Array | undefined): ErrorDetails {
  if (bytes === undefined) return noDetails;
  try {
    return detailsFromStatus(
      fromBinary(StatusSchema, cheapPart(bytes, limits), { readUnknownFields: false }),
    );
  } catch {
    return noDetails;
  }
}

function detailsFromStatus(status: Status): ErrorDetails {
  const violations: Violation[] = [];
  let retryAfterS: number | undefined;
  let requestId: string | undefined;
  for (const { typeUrl, value } of status.details) {
    const detail = create(AnySchema, { typeUrl, value: cheapPart(value, limits) });
    const reported = anyUnpack(detail, BadRequestSchema)?.fieldViolations ?? [];
    for (const { field, description } of reported.slice(0, violationsMax - violations.length)) {
      violations.push({
        pointer: pointerFromFieldPath(field),
        code: 'upstream',
        detail: printableText(description, textCharactersMax),
      });
    }
    const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    if (delay !== undefined) {
      const delayS = Math.ceil(Number(delay.seconds) + delay.nanos / 1e9);
      retryAfterS = Math.min(Math.max(delayS, 1), retryAfterSMax);
    }
    const id = anyUnpack(detail, RequestInfoSchema)?.requestId;
    requestId ??= id === undefined ? undefined : printableText(id, requestIdCharactersMax);
  }
  return { violations, retryAfterS, requestId, service: serviceErrorInfo(status.details) };
}

/** The JSON pointer of a field path: `generation_options.aspect_ratio` → `#/generationOptions/aspectRatio`. */
function pointerFromFieldPath(path: string): string {
  const segments = path
    .slice(0, textCharactersMax)
    .split(/[.[\]]+/)
    .filter((segment) => /^\w+$/.test(segment))
    .map((segment) => segment.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  return ['#', ...segments].join('/');
}
