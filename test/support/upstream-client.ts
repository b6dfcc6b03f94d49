import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  openUpstreamClient,
  type UpstreamClient,
  type UpstreamClientOptions,
} from '../../src/upstream/upstream-client.ts';

/** A client of one address with everything at its default; `change` says what is not. */
export function clientOf(
  address: string,
  change: Partial<UpstreamClientOptions> = {},
): UpstreamClient {
  return openUpstreamClient({
    address,
    operationsAddress: address,
    tokenSource: { authorization: async () => 'Api-Key secret-of-the-gateway' },
    generateTimeoutMs: 5_000,
    getTimeoutMs: 5_000,
    connectTimeoutMs: 5_000,
    imageBytesMax: 1_048_576,
    dataLogging: true,
    log: { debug: () => undefined, warn: () => undefined },
    random: () => 0.5,
    ...change,
  });
}

/** The request of the vendor's own SDK whose bytes are known. */
export function catRequest(): ImageGenerationRequest {
  return create(ImageGenerationRequestSchema, {
    modelUri: 'art://b1g/yandex-art/latest',
    messages: [{ text: 'cat', weight: -1.5 }],
    generationOptions: {
      mimeType: 'image/jpeg',
      seed: 2n ** 53n,
      aspectRatio: { widthRatio: 2n, heightRatio: 1n },
    },
  });
}

/** What a promise is rejected with; a fulfilled one, or another error, is thrown. */
export async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('it succeeded');
}
