import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** How large the parts of one wire message may be. */
export interface FieldBounds {
  /** The one field that may be large. */
  readonly bulkField: number;
  /** Most bytes of everything else. */
  readonly otherBytesMax: number;
  /** Most fields, counting repetitions. */
  readonly fieldsMax: number;
}

/** The error for a message that would be too expensive to parse. */
export class UnboundedMessageError extends Error {
  override readonly name = 'UnboundedMessageError';
}

/**
 * The payload of a message's one large field, if everything else is small.
 *
 * Called before the message is parsed: two bytes on the wire can become an object
 * of a hundred, and 4 MiB of empty repeated messages stop the event loop for
 * seconds. Only the top level is read, which takes a few steps for a normal
 * message of any size.
 *
 * @returns a view on the bytes; undefined when the field is absent.
 * @throws UnboundedMessageError, or RangeError for what is no protobuf.
 */
export function boundedBulkField(bytes: Uint8Array, bounds: FieldBounds): Uint8Array | undefined {
  const reader = new BinaryReader(bytes);
  let bulk: Uint8Array | undefined;
  for (let fields = 0; reader.pos < reader.len; fields += 1) {
    if (fields === bounds.fieldsMax) throw new UnboundedMessageError('too many fields');
    const [field, wireType] = reader.tag();
    if (field === bounds.bulkField && wireType === WireType.LengthDelimited) {
      // A parser would merge the two, and its result would not be what was checked here.
      if (bulk !== undefined) throw new UnboundedMessageError('the large field is repeated');
      bulk = reader.bytes();
    } else {
      reader.skip(wireType, field);
    }
    if (reader.pos - (bulk?.byteLength ?? 0) > bounds.otherBytesMax) {
      throw new UnboundedMessageError('too many bytes besides the large field');
    }
  }
  return bulk;
}
