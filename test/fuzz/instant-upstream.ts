import { runningOperation, succeededOperation, tinyPng } from '../support/fake-upstream.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import type { ImageGenerationRequest } from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../../src/gen/yandex/cloud/operation/operation_pb.ts';
import type { UpstreamClient } from '../../src/upstream/upstream-client.ts';

/** Of so many images one is not done at once. */
const slowOneOf = 8;

/** An upstream without a network that succeeds at once, and counts the Generates that would be billed. */
export class InstantUpstream implements UpstreamClient {
  readonly ready = true;
  /** Generates taken. */
  spent = 0;

  async generate(request: ImageGenerationRequest): Promise<Operation> {
    this.spent += 1;
    const id = `upstream${this.spent}`;
    // By the request, not by chance: a repeated input meets the same upstream.
    const characters = request.messages[0]?.text.length ?? 0;
    return characters % slowOneOf === slowOneOf - 1
      ? runningOperation(id)
      : succeededOperation(id, tinyPng);
  }

  async getOperation(id: string): Promise<Operation> {
    if (!id.startsWith('upstream')) {
      throw new GatewayError('operation_not_found', 'there is no such operation');
    }
    return succeededOperation(id, tinyPng);
  }

  async cancelOperation(id: string): Promise<Operation> {
    return this.getOperation(id);
  }

  async probe(): Promise<void> {}

  async close(): Promise<void> {}
}
