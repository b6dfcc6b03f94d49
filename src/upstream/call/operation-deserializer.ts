import { boundedBulkField } from '../../grpc/bounded-fields.ts';
import { deserializerFromSchema } from '../../grpc/service-definition.ts';
import { ImageGenerationResponseSchema } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';

/** Bounds for everything in an operation but its image, with a wide margin. */
const small = { otherBytesMax: 65_536, fieldsMax: 1_000 };

/** Field numbers on the way to the image and to an error's details. */
const fields = { operationError: 8, operationResponse: 9, anyValue: 2, image: 1, none: 0 };

const decode = deserializerFromSchema(OperationSchema);

/**
 * Parses an Operation in which only the image may be large. The image stays a
 * view on the received frame.
 *
 * @throws Error for bytes that are no operation, or that would be expensive to parse.
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
