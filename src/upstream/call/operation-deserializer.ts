import { create, fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { AnySchema, TimestampSchema, type Any } from '@bufbuild/protobuf/wkt';
import { StatusSchema, type Status } from '../../gen/google/rpc/status_pb.ts';
import { ImageGenerationResponseSchema } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema, type Operation } from '../../gen/yandex/cloud/operation/operation_pb.ts';
import { cheapPart, wireFieldsOf, type WireField } from '../../grpc/wire-fields.ts';

/** Far above the number of fields of any real message. */
const fieldsMax = 1_000;
const textBytesMax = 4_096;
/** Longer than any id that is kept, so that a longer one can be logged. */
const idBytesMax = 8_192;
const smallMessageBytesMax = 65_536;
const detailsMax = 32;

/** Field numbers of yandex.cloud.operation.Operation. */
const field = {
  id: 1,
  description: 2,
  createdAt: 3,
  createdBy: 4,
  modifiedAt: 5,
  done: 6,
  metadata: 7,
  error: 8,
  response: 9,
} as const;

/**
 * Reads an Operation of which only the image may be large, as far as it can be
 * read: texts that are too long are cut, and too many details are left out, so
 * that a failed operation is known to have failed however it says so. The image
 * stays a view on the received frame.
 *
 * @throws Error for bytes that say neither whose operation they are nor that it runs.
 */
export function boundedOperationFromBytes(bytes: Uint8Array): Operation {
  const { fields, isWhole } = wireFieldsOf(bytes, { fieldsMax, bytesMax: Infinity });
  const last = new Map(fields);
  const [kind, payload] =
    fields.findLast(([number]) => number === field.error || number === field.response) ?? [];
  const id = textOf(last.get(field.id), idBytesMax);
  const done = Boolean(last.get(field.done));
  if (!isWhole && (id === '' || (!done && kind === undefined))) {
    throw new Error('the message is no operation');
  }
  const operation = create(OperationSchema, {
    id,
    description: textOf(last.get(field.description)),
    createdBy: textOf(last.get(field.createdBy)),
    done,
  });
  const createdAt = smallMessageOf(TimestampSchema, last.get(field.createdAt));
  const modifiedAt = smallMessageOf(TimestampSchema, last.get(field.modifiedAt));
  const metadata = smallMessageOf(AnySchema, last.get(field.metadata));
  if (createdAt !== undefined) operation.createdAt = createdAt;
  if (modifiedAt !== undefined) operation.modifiedAt = modifiedAt;
  if (metadata !== undefined) operation.metadata = metadata;
  if (!(payload instanceof Uint8Array)) return operation;
  operation.result =
    kind === field.error
      ? { case: 'error', value: statusFromBytes(payload) }
      : { case: 'response', value: responseFromBytes(payload) };
  return operation;
}

/** The error of an operation, with the first of its details. */
function statusFromBytes(bytes: Uint8Array): Status {
  const { fields } = wireFieldsOf(bytes, { fieldsMax, bytesMax: Infinity });
  const last = new Map(fields);
  const details: Any[] = [];
  let leftBytes = smallMessageBytesMax;
  for (const [number, payload] of fields) {
    if (number !== 3 || !(payload instanceof Uint8Array)) continue;
    leftBytes -= payload.byteLength;
    if (details.length === detailsMax || leftBytes < 0) break;
    const detail = smallMessageOf(AnySchema, payload);
    if (detail !== undefined) details.push(detail);
  }
  const code = codeOf(last.get(1));
  return create(StatusSchema, { code, message: textOf(last.get(2)), details });
}

/** The result of an operation. Of an image, the part that is cheap to parse; of another type, all. */
function responseFromBytes(bytes: Uint8Array): Any {
  const { fields } = wireFieldsOf(bytes, { fieldsMax, bytesMax: Infinity });
  const last = new Map(fields);
  const typeUrl = textOf(last.get(1));
  const value = last.get(2);
  const whole = value instanceof Uint8Array ? value : new Uint8Array();
  const limits = { fieldsMax, bytesMax: smallMessageBytesMax, bulkField: 1 };
  return create(AnySchema, { typeUrl, value: isImage(typeUrl) ? cheapPart(whole, limits) : whole });
}

function isImage(typeUrl: string): boolean {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1) === ImageGenerationResponseSchema.typeName;
}

type Payload = WireField[1] | undefined;

function textOf(payload: Payload, bytesMax = textBytesMax): string {
  if (!(payload instanceof Uint8Array)) return '';
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    .subarray(0, bytesMax)
    .toString('utf8');
}

/** An int32: a negative one is a varint of 64 bits. */
function codeOf(payload: Payload): number {
  return typeof payload === 'bigint' ? Number(BigInt.asIntN(32, payload)) : 0;
}

function smallMessageOf<Desc extends DescMessage>(
  schema: Desc,
  payload: Payload,
): MessageShape<Desc> | undefined {
  if (!(payload instanceof Uint8Array) || payload.byteLength > smallMessageBytesMax) {
    return undefined;
  }
  try {
    const limits = { fieldsMax, bytesMax: smallMessageBytesMax };
    return fromBinary(schema, cheapPart(payload, limits), { readUnknownFields: false });
  } catch {
    return undefined;
  }
}
