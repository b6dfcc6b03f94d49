import { create, toBinary, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, TimestampSchema } from '@bufbuild/protobuf/wkt';
import {
  BadRequestSchema,
  DebugInfoSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from '../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';
import { OperationSchema } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { failedOperation, runningOperation, succeededOperation } from '../support/fake-upstream.ts';

/** The id of every operation here. */
export const upstreamId = 'upstream1';

function packed<Schema extends DescMessage>(schema: Schema, init: MessageInitShape<Schema>) {
  return anyPack(schema, create(schema, init));
}

const details = [
  packed(BadRequestSchema, {
    fieldViolations: [{ field: 'generation_options.seed', description: 'not now' }],
  }),
  packed(RetryInfoSchema, { retryDelay: { seconds: 3n, nanos: 5 } }),
  packed(RequestInfoSchema, { requestId: 'request-1' }),
  packed(ErrorInfoSchema, { reason: 'X', domain: 'y', metadata: { a: 'b' } }),
  packed(QuotaFailureSchema, { violations: [{ subject: 'a', description: 'b' }] }),
  packed(DebugInfoSchema, { stackEntries: ['a'], detail: 'b' }),
];

const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

/** Good operations, as bytes on the wire. */
export function wireOperations(images: readonly Uint8Array[]): readonly string[] {
  const full = {
    description: 'an image',
    createdBy: 'someone',
    createdAt: create(TimestampSchema, { seconds: 1_795_000_000n, nanos: 1_000_000 }),
    modifiedAt: create(TimestampSchema, { seconds: 1_795_000_014n, nanos: 999_999_999 }),
    ...(details[3] !== undefined && { metadata: details[3] }),
  };
  const failed = failedOperation(upstreamId, 8, 'no more', false);
  if (failed.result.case === 'error') failed.result.value.details = details;
  return [
    runningOperation(upstreamId),
    create(OperationSchema, { ...runningOperation(upstreamId), ...full }),
    failedOperation(upstreamId, 1, 'canceled'),
    failed,
    ...images.map((image) => succeededOperation(upstreamId, image)),
    ...images.slice(0, 1).map((image) => {
      const base64 = Buffer.from(Buffer.from(image).toString('base64'));
      return create(OperationSchema, { ...succeededOperation(upstreamId, base64), ...full });
    }),
  ].map((operation) => latin1(toBinary(OperationSchema, operation)));
}

/** Good values of `grpc-status-details-bin`. */
export const wireStatuses: readonly string[] = [
  latin1(toBinary(StatusSchema, create(StatusSchema, { code: 3, message: 'bad', details }))),
  latin1(toBinary(StatusSchema, create(StatusSchema, { code: 8, details: details.slice(1, 2) }))),
];
