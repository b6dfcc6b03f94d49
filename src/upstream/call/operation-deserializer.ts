import { boundedBulkField } from '../../grpc/bounded-fields.ts';
import { deserializerFromSchema } from '../../grpc/service-definition.ts';
import { ImageGenerationResponseSchema } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';

/** Everything about an operation but its image fits in this, by a wide margin. */
const small = { otherBytesMax: 65_536, fieldsMax: 1_000 };

/** The one field on each level that leads to the image, and the one that leads to an error's details. */
const fields = { operationError: 8, operationResponse: 9, anyValue: 2, image: 1, none: 0 };

const decode = deserializerFromSchema(OperationSchema);

/**
 * Parses an Operation whose image may be large and whose rest may not.
 * The image stays a view on the frame.
 *
 * @throws Error for bytes that are no operation, or would cost too much to read.
 */
export function boundedOperationFromBytes(bytes: Uint8Array): Operation {
  const response = boundedBulkField(bytes, { bulkField: fields.operationResponse, ...small });
  if (response !== undefined) boundedBulkField(response, { bulkField: fields.anyValue, ...small });
  const error = boundedBulkField(bytes, {
    bulkField: fields.operationError,
    otherBytesMax: bytes.byteLength,
    fieldsMax: small.fieldsMax,
  });
  if (error !== undefined) boundedBulkField(error, { bulkField: fields.none, ...small });
  const operation = decode(bytes);
  const { result } = operation;
  if (result.case === 'response' && isImage(result.value.typeUrl)) {
    boundedBulkField(result.value.value, { bulkField: fields.image, ...small });
  }
  return operation;
}

function isImage(typeUrl: string): boolean {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1) === ImageGenerationResponseSchema.typeName;
}
