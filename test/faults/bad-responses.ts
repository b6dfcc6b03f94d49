import { create, toBinary } from '@bufbuild/protobuf';
import { constants } from 'node:http2';
import {
  OperationSchema,
  type Operation,
} from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import { runningOperation, succeededOperation } from '../support/fake-upstream.ts';
import * as raw from '../support/raw-responses.ts';

const mebibyte = 1_048_576;

/** @param id of the operation that the call is about. */
type BadResponse = (id: string) => raw.RawResponse;

/** The bad responses that upstreams and proxies before them are known to send. */
export const badResponses: ReadonlyMap<string, BadResponse> = new Map<string, BadResponse>([
  ...[1, 2, 4, 8, 10, 13, 14, 15, 17, 99].map((code): [string, BadResponse] => [
    `code ${code}`,
    () => raw.status(code, 'injected'),
  ]),
  ['grpc-status: banana', () => raw.status('banana', 'injected')],
  ['grpc-status: NaN', () => raw.status(Number.NaN, 'injected')],
  ['a status in trailers', () => raw.statusInTrailers(14, 'injected')],
  [
    'a status with broken details',
    () => raw.status(13, 'injected', Buffer.from('ffffffff', 'hex')),
  ],
  ['a status with 8 KiB of details', () => raw.status(13, 'injected', Buffer.alloc(8_192, 0x1a))],
  ['a status whose text is an address', () => raw.status(14, 'connect ECONNREFUSED 10.0.0.1:443')],
  ['a reset', () => raw.reset(constants.NGHTTP2_CANCEL)],
  ['a reset without a code', () => raw.reset(constants.NGHTTP2_NO_ERROR)],
  ['a reset after the headers', () => raw.reset(constants.NGHTTP2_INTERNAL_ERROR, 'headers')],
  [
    'a reset within the message',
    () => raw.reset(constants.NGHTTP2_INTERNAL_ERROR, 'half a message'),
  ],
  ['ENHANCE_YOUR_CALM', () => raw.enhanceYourCalm],
  ['a cut before the request is read', () => raw.cutAtOnce],
  ['a cut after the request', () => raw.cut()],
  ['a cut after the headers', () => raw.cut('headers')],
  ['a cut within the message', () => raw.cut('half a message')],
  ['silence', () => raw.hang],
  ['silence after the headers', () => raw.hangAfterHeaders],
  ['two messages', (id) => raw.response([running(id), running(id)])],
  ['no message', () => raw.response([])],
  ['no trailers', (id) => raw.withoutTrailers(running(id))],
  ['a message shorter than announced', () => raw.announce(50_000)],
  ['a message announced as 4 GiB', () => raw.announce(0xff_ff_ff_ff)],
  ['HTML with 200', () => raw.html(200)],
  ...[301, 404, 429, 500, 502, 503].map((code): [string, BadResponse] => [
    `HTML with ${code}`,
    () => raw.html(code),
  ]),
  ['a gzip bomb', () => raw.gzipBomb(64 * mebibyte)],
  ['gzip that is not gzip', () => raw.brokenGzip],
  ['16 MiB of details', (id) => raw.ok(crowdedError(id, 16 * mebibyte))],
  ['60 KiB of details', () => raw.ok(crowdedError('another', 60_000))],
  ['a result of a wrong type', (id) => raw.ok(bytesOf(resultOf(id, 'type.googleapis.com/other')))],
  [
    'a result that is no image',
    (id) => raw.ok(bytesOf(succeededOperation(id, Buffer.from('<svg>')))),
  ],
  [
    'done with neither result',
    (id) => raw.ok(bytesOf(create(OperationSchema, { id, done: true }))),
  ],
  ['another operation', () => raw.ok(bytesOf(succeededOperation('another')))],
  ['no id', () => raw.ok(bytesOf(runningOperation('')))],
  ['an id with line breaks', () => raw.ok(bytesOf(runningOperation('a\r\nb')))],
  ['an id of 2,000 characters', () => raw.ok(bytesOf(runningOperation('a'.repeat(2_000))))],
  ['bytes that are no protobuf', () => raw.ok(Buffer.from('ffffffff', 'hex'))],
  ['GOAWAY', () => raw.goaway(constants.NGHTTP2_NO_ERROR)],
  ['GOAWAY with an error', () => raw.goaway(constants.NGHTTP2_INTERNAL_ERROR)],
  [
    'GOAWAY for too many pings',
    () => raw.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, Buffer.from('too_many_pings')),
  ],
]);

function running(id: string): Uint8Array {
  return bytesOf(runningOperation(id));
}

function bytesOf(operation: Operation): Uint8Array {
  return toBinary(OperationSchema, operation);
}

function resultOf(id: string, typeUrl: string): Operation {
  const operation = succeededOperation(id);
  if (operation.result.case === 'response') operation.result.value.typeUrl = typeUrl;
  return operation;
}

/** An operation whose error is full of empty details: two bytes each, and far more once parsed. */
function crowdedError(id: string, detailsBytes: number): Uint8Array {
  const idBytes = Buffer.from(id);
  // google.rpc.Status: code 13, then empty `details`, field 3.
  const error = Buffer.concat([Buffer.of(0x08, 13), Buffer.alloc(detailsBytes, '1a00', 'hex')]);
  const head = Buffer.concat([Buffer.of(0x0a, idBytes.length), idBytes, Buffer.of(0x30, 1, 0x42)]);
  return Buffer.concat([head, varint(error.length), error]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}
