import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { boundedOperationFromBytes } from '../../../src/upstream/call/operation-deserializer.ts';
import { failedOperation, succeededOperation, tinyPng } from '../../support/fake-upstream.ts';
import * as raw from '../../support/raw-responses.ts';
import { failureOf, useRawUpstream } from '../../support/upstream-client.ts';

const fixture = useRawUpstream();

/** Generous: a refusal takes microseconds, and parsing would take seconds. */
const costMsMax = 500;
const imageType = 'x/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationResponse';

/** One field of bytes on the wire. */
function field(number: number, payload: Uint8Array): Buffer {
  const head = [number * 8 + 2];
  let { length } = payload;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), payload]);
}

/** The same few bytes again and again. */
function repeated(hex: string, count: number): Buffer {
  const unit = Buffer.from(hex, 'hex');
  return Buffer.alloc(unit.length * count, unit);
}

const typeUrl = field(1, Buffer.from(imageType));
/** An empty google.protobuf.Any in Status.details: two bytes, a hundred in memory. */
const emptyDetail = '1a00';
const unknownVarint = 'a00601';

const bombs: [string, Buffer][] = [
  ['8 Mi empty details', field(8, repeated(emptyDetail, 8_388_608))],
  ['empty details within 64 KiB', field(8, repeated(emptyDetail, 30_000))],
  ['an error in many pieces', repeated('08021a00', 500_000)],
  [
    'a repeated error',
    Buffer.concat([field(8, repeated(emptyDetail, 9)), field(8, Buffer.alloc(0))]),
  ],
  ['a million unknown fields', repeated(unknownVarint, 1_000_000)],
  ['unknown fields around the image’s envelope', field(9, repeated(unknownVarint, 1_000_000))],
  [
    'unknown fields around the image',
    field(9, Buffer.concat([typeUrl, field(2, repeated(unknownVarint, 1_000_000))])),
  ],
  ['a repeated response', Buffer.concat([field(9, typeUrl), field(9, typeUrl)])],
  ['a megabyte of description', field(2, Buffer.alloc(1_048_576, 'a'))],
  ['groups within groups', repeated('a306', 500_000)],
];

describe('an operation from the wire', () => {
  it.each(bombs)('is refused without being parsed when it has %s', (_, bytes) => {
    const startMs = performance.now();
    expect(() => boundedOperationFromBytes(bytes)).toThrow();
    expect(performance.now() - startMs).toBeLessThan(costMsMax);
  });

  it('that is refused is a bad upstream result for the caller', async () => {
    fixture.upstream.on('Get', raw.ok(field(8, repeated(emptyDetail, 400_000))));
    const error = await failureOf(fixture.open().getOperation('x'));
    expect(error.reason).toBe('bad_upstream_result');
  });

  it('keeps its image as a view on the received bytes', () => {
    const image = Buffer.concat([tinyPng, Buffer.alloc(300_000, 7)]);
    const bytes = toBinary(OperationSchema, succeededOperation('fbv1', image));
    const { result } = boundedOperationFromBytes(bytes);
    if (result.case !== 'response') throw new Error('no response');
    const { value } = result.value;
    expect(value.buffer).toBe(bytes.buffer);
    expect(Buffer.from(value).subarray(-300_000).equals(image.subarray(-300_000))).toBe(true);
    bytes[bytes.byteLength - 1] = 1;
    expect(value.at(-1)).toBe(1);
  });

  it('may hold an error with details', () => {
    const operation = failedOperation('fbv1', 3, 'no');
    if (operation.result.case !== 'error') throw new Error('no error');
    operation.result.value.details.push(create(AnySchema, { typeUrl: 'x/y' }));
    const bytes = toBinary(OperationSchema, operation);
    expect(boundedOperationFromBytes(bytes)).toEqual(operation);
  });

  it('may hold a result of another type, which is not parsed', () => {
    const value = repeated(unknownVarint, 2_000);
    const other = Buffer.concat([field(1, Buffer.from('x/Other')), field(2, value)]);
    const { result } = boundedOperationFromBytes(field(9, other));
    expect(result.case === 'response' && result.value.typeUrl).toBe('x/Other');
  });
});
