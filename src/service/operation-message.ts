import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { AnySchema, timestampFromMs, type Any } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { StatusSchema, type Status } from '../gen/google/rpc/status_pb.ts';
import {
  ImageGenerationMetadata_State as State,
  ImageGenerationMetadataSchema,
  type ImageGenerationMetadata,
} from '../gen/image_generation_gateway/v1/metadata_pb.ts';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import { outcomeUnknown, serviceErrorDomain } from '../grpc/service-errors.ts';
import type { OperationFailure, OperationState } from './operation-record.ts';
import type { OperationWithImage } from './operations.ts';

/** The operation as it goes over the wire: done only when its record is. */
export function operationMessage(operation: OperationWithImage): Operation {
  const { record, image } = operation;
  const message = create(OperationSchema, {
    id: record.id,
    createdAt: timestampFromMs(record.acceptedAtMs),
    modifiedAt: timestampFromMs(record.modifiedAtMs),
    done: record.state === 'done',
    metadata: packed(ImageGenerationMetadataSchema, metadataOf(operation)),
  });
  if (record.failure !== undefined) {
    message.result = { case: 'error', value: statusFromFailure(record.failure) };
  } else if (image !== undefined) {
    const { modelVersion = '' } = record;
    const response = create(ImageGenerationResponseSchema, { image, modelVersion });
    message.result = { case: 'response', value: packed(ImageGenerationResponseSchema, response) };
  }
  return message;
}

const stateOf: Record<OperationState, State> = {
  queued: State.QUEUED,
  dispatched: State.RUNNING,
  submitted: State.RUNNING,
  stored: State.RUNNING,
  done: State.DONE,
};

function metadataOf({ record, queuePosition = 0 }: OperationWithImage): ImageGenerationMetadata {
  const { backend = '', attempts: attempt, failure, startedAtMs } = record;
  const { model, seed, width, height, ignored } = record.plan ?? record.planned ?? {};
  const reportedSeed = record.image?.facts?.seed;
  return create(ImageGenerationMetadataSchema, {
    ...{ state: stateOf[record.state], queuePosition, backend, attempt },
    ...{ model: model ?? '', width: width ?? 0, height: height ?? 0 },
    seed: BigInt(reportedSeed ?? seed ?? 0),
    seedApplied: seed !== undefined,
    ignored: [...(ignored ?? [])],
    outcomeUnknown: failure?.reason === outcomeUnknown,
    ...(startedAtMs !== undefined && { startedAt: timestampFromMs(startedAtMs) }),
  });
}

function statusFromFailure({ code, message, reason, metadata, field }: OperationFailure): Status {
  const details: Any[] = [];
  if (reason !== undefined) {
    const info = create(ErrorInfoSchema, {
      domain: serviceErrorDomain,
      reason,
      metadata: { ...metadata },
    });
    details.push(packed(ErrorInfoSchema, info));
  }
  if (field !== undefined) {
    const fieldViolations = [{ field, description: message }];
    details.push(packed(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  return create(StatusSchema, { code, message, details });
}

function packed<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  const value = toBinary(schema, message);
  return create(AnySchema, { typeUrl: `type.googleapis.com/${schema.typeName}`, value });
}
