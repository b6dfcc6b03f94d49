import { base64Encode } from '@bufbuild/protobuf/wire';
import { createRegistry, toJson } from '@bufbuild/protobuf';
import { anyUnpack, type Any } from '@bufbuild/protobuf/wkt';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  HelpSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb.ts';
import type { JsonValue } from './json-value.ts';

/** Types whose fields callers may see. Not DebugInfo: it holds stack traces of the upstream. */
const knownTypes = createRegistry(
  BadRequestSchema,
  ErrorInfoSchema,
  HelpSchema,
  LocalizedMessageSchema,
  PreconditionFailureSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
);

const detailsMax = 32;
const debugInfo = 'google.rpc.DebugInfo';

/**
 * Any messages as proto3 JSON. One of an unknown type keeps its name and its
 * bytes, as base64 in `value`; one that can't be read is left out. Never throws.
 */
export function detailsJson(details: readonly Any[]): readonly JsonValue[] {
  return details.slice(0, detailsMax).flatMap((detail) => {
    if (detail.typeUrl.endsWith(`/${debugInfo}`)) return [];
    try {
      return [anyJson(detail)];
    } catch {
      return [];
    }
  });
}

function anyJson(any: Any): JsonValue {
  const message = anyUnpack(any, knownTypes);
  const schema = message === undefined ? undefined : knownTypes.getMessage(message.$typeName);
  if (message === undefined || schema === undefined) {
    return { '@type': any.typeUrl, value: base64Encode(any.value) };
  }
  return { '@type': any.typeUrl, ...(toJson(schema, message) as Record<string, JsonValue>) };
}
