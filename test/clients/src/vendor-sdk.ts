import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Session, waitForOperation } from '@yandex-cloud/nodejs-sdk';
import { imageGenerationService } from '@yandex-cloud/nodejs-sdk/ai-foundation_models-v1';

// The vendor's own SDK, over TLS with a CA of our own, against the emulator:
// what proves the emulator by a client that nobody here wrote.
const { ImageGenerationAsyncServiceClient, ImageGenerationRequest, ImageGenerationResponse } =
  imageGenerationService;
const address = process.env['EMULATOR_ADDRESS'] ?? '';
const ssl = { rootCerts: readFileSync(process.env['CA_FILE'] ?? '') };
const session = new Session({ iamToken: 't1.accepted', pollInterval: 100, ssl });

const request = ImageGenerationRequest.fromPartial({
  modelUri: 'art://folder/yandex-art/latest',
  messages: [{ text: 'a red cat', weight: 1 }],
  generationOptions: {
    mimeType: 'image/jpeg',
    seed: 1863,
    aspectRatio: { widthRatio: 2, heightRatio: 1 },
  },
});

const operation = await session
  .client(ImageGenerationAsyncServiceClient, address)
  .generate(request);
assert.match(operation.id, /^[a-z0-9]{20}$/);
const finished = await waitForOperation(operation, session, 30_000, address);
assert.ok(finished.response);
const { image } = ImageGenerationResponse.decode(finished.response.value);
assert.equal(Buffer.from(image.subarray(0, 3)).toString('hex'), 'ffd8ff');

const stranger = new Session({ iamToken: 't1.unknown', ssl });
await assert.rejects(
  stranger.client(ImageGenerationAsyncServiceClient, address).generate(request),
  /UNAUTHENTICATED/,
);
process.exit(0);
