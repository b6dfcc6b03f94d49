import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { openAppService } from '../../src/app-service.ts';
import { serviceSettingsFromEnvironment } from '../../src/config/service-settings.ts';
import {
  ImageGenerationAsyncService,
  ImageGenerationResponseSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { imageFactsFromBytes } from '../../src/image/sniff.ts';
import { connectGrpc } from '../support/grpc-client.ts';

const { generate } = ImageGenerationAsyncService.method;
const { get } = OperationService.method;
const side = 256;
const closings: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closings.splice(0).toReversed()) await close();
});

/** A backend that makes JPEG, whatever is asked for. */
async function startJpegBackend(jpeg: Buffer): Promise<string> {
  const server = createServer((incoming, response) => {
    incoming.resume();
    response.setHeader('content-type', 'application/json');
    const isList = incoming.method === 'GET';
    const data = isList ? [{ id: 'm' }] : [{ b64_json: jpeg.toString('base64') }];
    response.end(JSON.stringify({ created: 1, data }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closings.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Noise: 40 KB as JPEG, 200 KB as PNG. */
function noise(): Promise<Buffer> {
  const raw = { width: side, height: side, channels: 3 } as const;
  return sharp(randomBytes(side * side * 3), { raw })
    .jpeg({ quality: 50 })
    .toBuffer();
}

async function typeOfImage(imageBytesMax: number): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'finished-'));
  closings.push(() => rm(directory, { recursive: true, force: true }));
  const nothing = () => undefined;
  const service = await openAppService(
    serviceSettingsFromEnvironment({
      ...{ DATA_DIR: directory, SERVICE_PORT: '0', IMAGE_BYTES_MAX: String(imageBytesMax) },
      BACKEND_URL: await startJpegBackend(await noise()),
    }),
    { info: nothing, warn: nothing, error: nothing },
  );
  closings.push(() => service.close(0));
  const grpc = connectGrpc(`http://127.0.0.1:${service.port}`);
  closings.push(() => grpc.client.close());
  const { id } = await grpc.call(generate, {
    modelUri: 'art://folder/yandex-art/latest',
    messages: [{ text: 'a red cat', weight: 1 }],
    generationOptions: { mimeType: 'image/png' },
  });
  const read = () => grpc.call(get, { operationId: id });
  await expect.poll(async () => (await read()).done, { timeout: 30_000 }).toBe(true);
  const { result } = await read();
  if (result.case !== 'response') throw new Error(`no image: ${JSON.stringify(result.value)}`);
  const { image } = fromBinary(ImageGenerationResponseSchema, result.value.value);
  return imageFactsFromBytes(image)?.mediaType;
}

describe('an image of another type than the caller asked for', { timeout: 60_000 }, () => {
  it('is converted', async () => {
    expect(await typeOfImage(1_000_000)).toBe('image/png');
  });

  it('stays what it is when it would be larger than an image may be', async () => {
    expect(await typeOfImage(100_000)).toBe('image/jpeg');
  });
});
