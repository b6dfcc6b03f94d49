import { create, toBinary } from '@bufbuild/protobuf';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createHash, randomFillSync } from 'node:crypto';
import { ImageGenerationResponseSchema } from '../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema } from '../src/gen/yandex/cloud/operation/operation_pb.ts';

// A fast upstream: answers are encoded before they are asked for. It counts calls, and knows when each operation ended.

const bytes = Number(process.env['PICTURE_BYTES'] ?? 300_000);
const latencyMinMs = Number(process.env['LATENCY_MIN_MS'] ?? 0);
const latencyMaxMs = Number(process.env['LATENCY_MAX_MS'] ?? 0);

/** The start of a 1024×1024 JPEG, and noise: what is measured must not be compressible or constant. */
const header = Buffer.from(
  'ffd8ffe000104a46494600010100000100010000ffc0001108040004000301220002110103110100',
  'hex',
);
const picture = Buffer.concat([header, randomFillSync(Buffer.alloc(bytes - header.length))]);

/** As many as the row that asks for a range asks for. */
const rangeBytes = 10_000;

function sha256Of(part: Buffer): string {
  return createHash('sha256').update(part).digest('hex');
}

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const responseValue = toBinary(
  ImageGenerationResponseSchema,
  create(ImageGenerationResponseSchema, { image: picture }),
);
const typeUrl = `type.googleapis.com/${ImageGenerationResponseSchema.typeName}`;

function operationFrame(id: string, done: boolean): Buffer {
  const operation = create(OperationSchema, {
    id,
    done,
    ...(done && { result: { case: 'response', value: { typeUrl, value: responseValue } } }),
  });
  return frame(toBinary(OperationSchema, operation));
}

/** All ids have one length, so a finished answer is made once and only its id is put in. */
const idLength = 20;
const finishedTemplate = operationFrame('x'.repeat(idLength), true);
const idOffset = finishedTemplate.indexOf('x'.repeat(idLength));
const beforeId = finishedTemplate.subarray(0, idOffset);
const afterId = finishedTemplate.subarray(idOffset + idLength);

const endsAtMs = new Map<string, number>();
const counts = { Generate: 0, Get: 0, Cancel: 0 };
let nextId = 0;

function send(stream: ServerHttp2Stream, parts: readonly Buffer[]): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (const part of parts) stream.write(part);
  stream.end();
}

const server = createServer({
  maxSessionMemory: 1_000,
  settings: { initialWindowSize: 16_777_215 },
});
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  const path = String(headers[':path']);
  const method = path.slice(path.lastIndexOf('/') + 1) as keyof typeof counts;
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    counts[method] += 1;
    if (method === 'Generate') {
      nextId += 1;
      const id = `bench${String(nextId).padStart(idLength - 5, '0')}`;
      endsAtMs.set(id, Date.now() + latencyMinMs + Math.random() * (latencyMaxMs - latencyMinMs));
      send(stream, [operationFrame(id, false)]);
      return;
    }
    const id = Buffer.concat(chunks).subarray(7).toString();
    const isDone = Date.now() >= (endsAtMs.get(id) ?? 0);
    send(stream, isDone ? [beforeId, Buffer.from(id), afterId] : [operationFrame(id, false)]);
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({
    address: `http://127.0.0.1:${port}`,
    sha256: sha256Of(picture),
    rangeSha256: sha256Of(picture.subarray(0, rangeBytes)),
  });
});
process.on('message', (message: { counts?: true; ends?: true }) => {
  if (message.ends === true) process.send?.({ endsAtMs: [...endsAtMs.values()] });
  else process.send?.({ ...counts, pictureBytes: picture.length });
});
