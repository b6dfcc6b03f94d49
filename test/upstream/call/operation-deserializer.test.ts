import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { OperationSchema } from '../../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { boundedOperationFromBytes } from '../../../src/upstream/call/operation-deserializer.ts';
import {
  failedOperation,
  runningOperation,
  succeededOperation,
  tinyPng,
} from '../../support/fake-upstream.ts';
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

const id = field(1, Buffer.from('fbv1'));
const done = Buffer.of(0x30, 1);
const refused = Buffer.concat([Buffer.of(0x08, 3), field(2, Buffer.from('no'))]);
const png = Buffer.concat([field(1, tinyPng)]);
const failure = { case: 'error', value: { code: 3, message: 'no' } };

/** What is expensive or broken, and what is still read of it. */
const hostile: [string, Buffer, object][] = [
  [
    '8 Mi empty details',
    Buffer.concat([id, done, field(8, Buffer.concat([refused, repeated(emptyDetail, 8_388_608)]))]),
    { id: 'fbv1', done: true, result: failure },
  ],
  [
    'empty details within 64 KiB',
    Buffer.concat([id, field(8, Buffer.concat([refused, repeated(emptyDetail, 30_000)]))]),
    { id: 'fbv1', done: false, result: failure },
  ],
  [
    'a message of a megabyte',
    Buffer.concat([
      id,
      field(8, Buffer.concat([Buffer.of(0x08, 3), field(2, Buffer.alloc(1_048_576, 'a'))])),
    ]),
    { result: { case: 'error', value: { code: 3, message: 'a'.repeat(4_096) } } },
  ],
  [
    'a broken detail',
    Buffer.concat([
      id,
      field(8, Buffer.concat([refused, field(3, Buffer.of(255, 255)), Buffer.of(255)])),
    ]),
    { result: failure },
  ],
  [
    'a description of a megabyte',
    Buffer.concat([id, field(2, Buffer.alloc(1_048_576, 'a')), done]),
    { id: 'fbv1', done: true, description: 'a'.repeat(4_096) },
  ],
  [
    'a million unknown fields',
    Buffer.concat([id, done, field(8, refused), repeated(unknownVarint, 1_000_000)]),
    { id: 'fbv1', done: true, result: failure },
  ],
  [
    'a million unknown fields around its image',
    Buffer.concat([
      id,
      done,
      field(
        9,
        Buffer.concat([
          typeUrl,
          field(2, Buffer.concat([png, repeated(unknownVarint, 1_000_000)])),
        ]),
      ),
    ]),
    { result: { case: 'response', value: { typeUrl: imageType } } },
  ],
  [
    'an error in many pieces',
    Buffer.concat([id, repeated('42020803', 500_000)]),
    { id: 'fbv1', result: { case: 'error', value: { code: 3 } } },
  ],
  [
    'metadata that are no protobuf',
    Buffer.concat([id, field(7, Buffer.of(255, 255)), field(8, refused)]),
    { id: 'fbv1', result: failure },
  ],
  [
    'a rest that is cut off',
    Buffer.concat([id, done, field(8, refused).subarray(0, 4)]),
    { done: true },
  ],
];

const unreadable: [string, Buffer][] = [
  ['no protobuf', Buffer.from('ffffffff', 'hex')],
  ['a page of text', Buffer.from('<html><body>Bad Gateway</body></html>')],
  ['groups within groups', repeated('a306', 500_000)],
  [
    'an operation that is cut off before it says whether it is done',
    Buffer.concat([id, field(2, Buffer.alloc(9)).subarray(0, 3)]),
  ],
];

describe('an operation from the wire', () => {
  it.each(hostile)(
    'with %s is read as far as it can be, at no great cost',
    (_, bytes, expected) => {
      const startMs = performance.now();
      const operation = boundedOperationFromBytes(bytes);
      expect(performance.now() - startMs).toBeLessThan(costMsMax);
      expect(operation).toMatchObject(expected);
      if (operation.result.case === 'error') {
        expect(operation.result.value.details.length).toBeLessThanOrEqual(32);
      }
    },
  );

  it.each(unreadable)('is not %s', (_, bytes) => {
    const startMs = performance.now();
    expect(() => boundedOperationFromBytes(bytes)).toThrow('no operation');
    expect(performance.now() - startMs).toBeLessThan(costMsMax);
  });

  it('that can not be read is a bad upstream result', async () => {
    fixture.upstream.on('Get', raw.ok(Buffer.from('ffffffff', 'hex')));
    const error = await failureOf(fixture.open().getOperation('x'));
    expect(error.reason).toBe('bad_upstream_result');
  });

  it.each([-1, 3, 2_147_483_647, -2_147_483_648])('keeps the code %i of its error', (code) => {
    const bytes = toBinary(OperationSchema, failedOperation('fbv1', code, 'no'));
    const { result } = boundedOperationFromBytes(bytes);
    expect(result.case === 'error' && result.value.code).toBe(code);
  });

  it.each([
    runningOperation('fbv1'),
    succeededOperation('fbv1', tinyPng),
    failedOperation('fbv1', 3, 'не могу', false),
    create(OperationSchema, {
      ...{ id: 'fbv1', description: 'd', createdBy: 'c' },
      createdAt: { seconds: 5n, nanos: 6 },
      modifiedAt: { seconds: 7n, nanos: 8 },
      metadata: { typeUrl: 'x/y', value: Buffer.from('abc') },
    }),
  ])('is what a parser makes of it: %#', (operation) => {
    const bytes = toBinary(OperationSchema, operation);
    expect(boundedOperationFromBytes(bytes)).toEqual(fromBinary(OperationSchema, bytes));
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
