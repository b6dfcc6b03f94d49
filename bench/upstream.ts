import { create, toBinary } from '@bufbuild/protobuf';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createHash, randomFillSync } from 'node:crypto';
import { ImageGenerationResponseSchema } from '../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationSchema } from '../src/gen/yandex/cloud/operation/operation_pb.ts';

// A fast upstream: its responses are encoded beforehand. It counts calls, and knows when each operation ended.

const bytes = Number(process.env['IMAGE_BYTES'] ?? 300_000);
let latencyMs: readonly [min: number, max: number] = [
  Number(process.env['LATENCY_MIN_MS'] ?? 0),
  Number(process.env['LATENCY_MAX_MS'] ?? 0),
];
/** Generates of more are refused as the vendor refuses them. */
const generatesPerSecondMax = Number(process.env['GENERATES_PER_SECOND_MAX'] ?? Infinity);
/** How long a Get takes, so that two of one operation at once are seen. */
const getDelayMs = Number(process.env['GET_DELAY_MS'] ?? 0);
/** Whether the last bytes of each image are its operation's id, so that none can pose as another. */
const imagesDiffer = process.env['IMAGES_DIFFER'] === 'true';

/** The start of a 1024×1024 JPEG, and noise: what is measured must not be compressible or constant. */
const header = Buffer.from(
  'ffd8ffe000104a46494600010100000100010000ffc0001108040004000301220002110103110100',
  'hex',
);
const image = Buffer.concat([header, randomFillSync(Buffer.alloc(bytes - header.length))]);
/** All ids have one length, so a finished response is made once and only its id is put in. */
const idLength = 20;
if (imagesDiffer) image.fill('y', image.length - idLength);

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
  create(ImageGenerationResponseSchema, { image: image }),
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

const finishedTemplate = operationFrame('x'.repeat(idLength), true);
const idOffset = finishedTemplate.indexOf('x'.repeat(idLength));
const beforeId = finishedTemplate.subarray(0, idOffset);
const afterId = finishedTemplate.subarray(idOffset + idLength);
const imageEnd = finishedTemplate.lastIndexOf('y'.repeat(idLength));

function finishedFrame(id: string): readonly Buffer[] {
  const text = Buffer.from(id);
  if (!imagesDiffer) return [beforeId, text, afterId];
  return [
    ...[beforeId, text],
    finishedTemplate.subarray(idOffset + idLength, imageEnd),
    text,
    finishedTemplate.subarray(imageEnd + idLength),
  ];
}

const imageStartHash = createHash('sha256').update(image.subarray(0, image.length - idLength));

function sha256OfImage(id: string): string {
  const end = imagesDiffer ? id : image.subarray(image.length - idLength);
  return imageStartHash.copy().update(end).digest('hex');
}

const endsAtMs = new Map<string, number>();
/** When a response first said that the operation had ended: from then on the gateway knows. */
const reportedAtMs = new Map<string, number>();
const counts = { Generate: 0, Get: 0, Cancel: 0 };
const generatesAtMs: number[] = [];
const getsAtMs: number[] = [];
const getsInFlight = new Map<string, number>();
/** Most Gets of one operation in flight at once. */
let getsAtOnceMax = 0;
let nextId = 0;

/** What is left of this second's Generates. */
const quota = { left: generatesPerSecondMax, second: 0 };

function hasQuota(): boolean {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== quota.second) Object.assign(quota, { left: generatesPerSecondMax, second });
  quota.left -= 1;
  return quota.left >= 0;
}

function refuse(stream: ServerHttp2Stream): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto', 'grpc-status': '8' },
    { endStream: true },
  );
}

function send(stream: ServerHttp2Stream, parts: readonly Buffer[]): void {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc+proto' },
    { waitForTrailers: true },
  );
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (const part of parts) stream.write(part);
  stream.end();
}

function generate(stream: ServerHttp2Stream): void {
  if (!hasQuota()) return refuse(stream);
  generatesAtMs.push(Date.now());
  nextId += 1;
  const id = `bench${String(nextId).padStart(idLength - 5, '0')}`;
  const [minMs, maxMs] = latencyMs;
  endsAtMs.set(id, Date.now() + minMs + Math.random() * (maxMs - minMs));
  send(stream, [operationFrame(id, false)]);
}

function respondToGet(stream: ServerHttp2Stream, id: string): void {
  getsAtMs.push(Date.now());
  const inFlight = (getsInFlight.get(id) ?? 0) + 1;
  getsInFlight.set(id, inFlight);
  getsAtOnceMax = Math.max(getsAtOnceMax, inFlight);
  const respond = () => {
    getsInFlight.set(id, (getsInFlight.get(id) ?? 1) - 1);
    if (stream.destroyed) return;
    const isDone = Date.now() >= (endsAtMs.get(id) ?? 0);
    if (isDone && !reportedAtMs.has(id)) reportedAtMs.set(id, Date.now());
    send(stream, isDone ? finishedFrame(id) : [operationFrame(id, false)]);
  };
  if (getDelayMs === 0) respond();
  else setTimeout(respond, getDelayMs);
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
    if (method === 'Generate') generate(stream);
    else respondToGet(stream, Buffer.concat(chunks).subarray(7).toString());
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({
    address: `http://127.0.0.1:${port}`,
    sha256: sha256Of(image),
    rangeSha256: sha256Of(image.subarray(0, rangeBytes)),
  });
});

/** What it saw, by operation in the order of their Generates, and by call. */
export interface UpstreamObservations {
  readonly endsAtMs: readonly number[];
  /** Absent for one that was never seen to have ended. */
  readonly reportedAtMs: readonly (number | null)[];
  readonly generatesAtMs: readonly number[];
  readonly getsAtMs: readonly number[];
  readonly getsAtOnceMax: number;
}

function observations(): UpstreamObservations {
  return {
    endsAtMs: [...endsAtMs.values()],
    reportedAtMs: Array.from(endsAtMs.keys(), (id) => reportedAtMs.get(id) ?? null),
    generatesAtMs,
    getsAtMs,
    getsAtOnceMax,
  };
}

interface Question {
  readonly ends?: true;
  readonly observations?: true;
  /** Of the images of all operations so far. */
  readonly hashes?: true;
  /** How long operations take that are started from now on. */
  readonly latencyMs?: readonly [min: number, max: number];
}

process.on('message', (question: Question) => {
  if (question.latencyMs !== undefined) latencyMs = question.latencyMs;
  if (question.ends === true) process.send?.({ endsAtMs: [...endsAtMs.values()] });
  else if (question.observations === true) process.send?.(observations());
  else if (question.hashes === true)
    process.send?.({ sha256: Array.from(endsAtMs.keys(), sha256OfImage) });
  else process.send?.({ ...counts, imageBytes: image.length });
});
// Ends with the process that started it.
process.on('disconnect', () => process.exit());
