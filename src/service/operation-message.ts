import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, timestampFromMs, type Any } from '@bufbuild/protobuf/wkt';
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { StatusSchema, type Status } from '../gen/google/rpc/status_pb.ts';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import type { OperationFailure } from './operation-record.ts';
import type { OperationWithImage } from './operations.ts';

/** Domain of the service's `google.rpc.ErrorInfo`. */
export const errorDomain = 'image-generation-gateway';

/** The operation as it goes over the wire: done only when its record is. */
export function operationMessage({ record, image }: OperationWithImage): Operation {
  const operation = create(OperationSchema, {
    id: record.id,
    createdAt: timestampFromMs(record.acceptedAtMs),
    modifiedAt: timestampFromMs(record.modifiedAtMs),
    done: record.state === 'done',
  });
  if (record.failure !== undefined) {
    operation.result = { case: 'error', value: statusFromFailure(record.failure) };
  } else if (image !== undefined) {
    const response = create(ImageGenerationResponseSchema, {
      image,
      modelVersion: record.modelVersion ?? '',
    });
    operation.result = {
      case: 'response',
      value: packed(
        ImageGenerationResponseSchema.typeName,
        toBinary(ImageGenerationResponseSchema, response),
      ),
    };
  }
  return operation;
}

function statusFromFailure({ code, message, reason }: OperationFailure): Status {
  if (reason === undefined) return create(StatusSchema, { code, message });
  const info = create(ErrorInfoSchema, { domain: errorDomain, reason });
  const details = [packed(ErrorInfoSchema.typeName, toBinary(ErrorInfoSchema, info))];
  return create(StatusSchema, { code, message, details });
}

function packed(typeName: string, value: Uint8Array): Any {
  return create(AnySchema, { typeUrl: `type.googleapis.com/${typeName}`, value });
}
