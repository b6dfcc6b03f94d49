import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** How much of one wire message is read. */
export interface WireLimits {
  /** Most fields, counting repetitions. */
  readonly fieldsMax: number;
  /** Most bytes of all fields but the bulk field. */
  readonly bytesMax: number;
  /** The one field that may be larger than that. */
  readonly bulkField?: number;
}

/** One field: the payload of a length-delimited one is a view; a varint is read as unsigned. */
export type WireField = readonly [number: number, payload: Uint8Array | bigint];

export interface WireFields {
  /** The fields within the limits, in order, without those of other wire types. */
  readonly fields: readonly WireField[];
  /** Bytes from the start that hold these fields. */
  readonly bytesRead: number;
  /** Whether the message ended here: it was neither broken nor over the limits. */
  readonly isWhole: boolean;
}

/**
 * The fields at the start of a wire message, as far as they are intact and few.
 *
 * A parser would take any number: two bytes on the wire can become an object of a
 * hundred, and 4 MiB of empty repeated messages stop the event loop for seconds.
 * This stops at the limits, and where the bytes are no protobuf; what came before
 * is still good.
 */
export function wireFieldsOf(bytes: Uint8Array, limits: WireLimits): WireFields {
  const reader = new BinaryReader(bytes);
  const fields: WireField[] = [];
  let bytesRead = 0;
  let bulkBytes = 0;
  for (let count = 0; bytesRead < reader.len; count += 1) {
    if (count === limits.fieldsMax) return { fields, bytesRead, isWhole: false };
    try {
      const [number, wireType] = reader.tag();
      const payload = payloadOf(reader, number, wireType);
      if (number === limits.bulkField && payload instanceof Uint8Array) {
        bulkBytes += payload.byteLength;
      }
      if (reader.pos > reader.len || reader.pos - bulkBytes > limits.bytesMax) break;
      if (payload !== undefined) fields.push([number, payload]);
    } catch {
      break;
    }
    bytesRead = reader.pos;
  }
  return { fields, bytesRead, isWhole: bytesRead === reader.len };
}

/** The start of a wire message that is cheap to parse: its intact fields within the limits, as a view. */
export function cheapPart(bytes: Uint8Array, limits: WireLimits): Uint8Array {
  return bytes.subarray(0, wireFieldsOf(bytes, limits).bytesRead);
}

function payloadOf(
  reader: BinaryReader,
  number: number,
  wireType: WireType,
): Uint8Array | bigint | undefined {
  if (wireType === WireType.LengthDelimited) return reader.bytes();
  if (wireType === WireType.Varint) return BigInt(reader.uint64());
  // Groups nest, and no message here has any.
  if (wireType === WireType.StartGroup) throw new RangeError('a group');
  reader.skip(wireType, number);
  return undefined;
}
