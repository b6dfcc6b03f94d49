import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import {
  openUpstreamClient,
  type ServiceClient,
  type UpstreamClient,
  type UpstreamClientOptions,
} from '../../src/upstream/upstream-client.ts';
import { startRawUpstream, type RawUpstream } from './raw-upstream.ts';

/** A client of one address with default options; `change` replaces some of them. */
export function clientOf(
  address: string,
  change: Partial<UpstreamClientOptions> = {},
): UpstreamClient & ServiceClient {
  return openUpstreamClient({
    address,
    operationsAddress: address,
    tokenSource: { authorization: async () => `Api-Key ${canaryCredential}` },
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

/** The credential of every client here, so that a leak of it is noticed. */
export const canaryCredential = 'canary-credential';

/**
 * The GatewayError that a promise rejects with, checked to show the caller no
 * address and no credential. Any other error is thrown.
 */
export async function failureOf(promise: Promise<unknown>): Promise<GatewayError> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const { message, detail, violations, upstream, headers } = error;
    const shown = JSON.stringify([message, detail, violations, upstream, headers]);
    if (!/127\.0\.0\.1|localhost|remote_addr|canary/.test(shown)) return error;
    throw new Error(`the error shows an address or a credential: ${shown}`, { cause: error });
  }
  throw new Error('the promise was fulfilled');
}

export interface UpstreamFixture {
  /** The raw upstream of this test. */
  readonly upstream: RawUpstream;
  /** A client of it, closed after the test. */
  open(change?: Partial<UpstreamClientOptions>): UpstreamClient;
}

/** Gives every test of a file an upstream of its own. */
export function useRawUpstream(): UpstreamFixture {
  let upstream: RawUpstream | undefined;
  const clients: UpstreamClient[] = [];
  const current = () => {
    if (upstream === undefined) throw new Error('only within a test');
    return upstream;
  };
  beforeEach(async () => {
    upstream = await startRawUpstream();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await upstream?.close();
  });
  return {
    get upstream() {
      return current();
    },
    open(change = {}) {
      const client = clientOf(current().address, change);
      clients.push(client);
      return client;
    },
  };
}
