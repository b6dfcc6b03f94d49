import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export interface FieldBounds {
  /** The one field that may be large. */
  readonly bulkField: number;
  /** Most bytes of everything else. */
  readonly otherBytesMax: number;
  /** Most fields, counting repetitions. */
  readonly fieldsMax: number;
}

/** Thrown for a message that would cost more to read than it can be worth. */
export class UnboundedMessageError extends Error {
  override readonly name = 'UnboundedMessageError';
}

/**
 * Refuses a wire message whose small fields are not small, before it is decoded.
 *
 * Two bytes on the wire can become an object of a hundred: 4 MiB of empty
 * repeated messages stop the event loop for seconds. Only the top level is
 * looked at, so this costs a few steps for an honest message of any size.
 *
 * @returns the payload of the bulk field, a view; undefined when there is none.
 * @throws UnboundedMessageError, or RangeError for what is no protobuf.
 */
export function boundedBulkField(bytes: Uint8Array, bounds: FieldBounds): Uint8Array | undefined {
  const reader = new BinaryReader(bytes);
  let bulk: Uint8Array | undefined;
  for (let fields = 0; reader.pos < reader.len; fields += 1) {
    if (fields === bounds.fieldsMax) throw new UnboundedMessageError('too many fields');
    const [field, wireType] = reader.tag();
    if (field === bounds.bulkField && wireType === WireType.LengthDelimited) {
      // A parser would merge the two, and what was looked at here is not what it makes.
      if (bulk !== undefined) throw new UnboundedMessageError('the large field comes twice');
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
