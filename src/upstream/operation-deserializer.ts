import { boundedBulkField, type FieldBounds } from '../grpc/bounded-fields.ts';
import { deserializerFromSchema } from '../grpc/service-definition.ts';
import { OperationSchema, type Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';

/** Everything about an operation but its picture fits in this, by a wide margin. */
const small = { otherBytesMax: 65_536, fieldsMax: 1_000 };

/** The way to the picture: `response` of Operation, `value` of Any, `image` of ImageGenerationResponse. */
const pathToPicture: readonly FieldBounds[] = [
  { bulkField: 9, ...small },
  { bulkField: 2, ...small },
  { bulkField: 1, ...small },
];

const decode = deserializerFromSchema(OperationSchema);

/**
 * Parses an Operation whose picture may be large and whose rest may not.
 * The picture stays a view on the frame.
 *
 * @throws Error for bytes that are no operation, or would cost too much to read.
 */
export function boundedOperationFromBytes(bytes: Uint8Array): Operation {
  let level: Uint8Array | undefined = bytes;
  for (const bounds of pathToPicture) {
    if (level === undefined) break;
    level = boundedBulkField(level, bounds);
  }
  return decode(bytes);
}
