import type { ImageGenerationRequest } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { CallStatus } from './unary-call.ts';

/** An upstream that refuses a credential may quote it, and what it says is logged. */
export function withoutSecret(status: CallStatus, authorization: string | undefined): CallStatus {
  const secret = authorization?.split(' ')[1];
  if (secret === undefined) return status;
  return { ...status, details: status.details.replaceAll(secret, '[redacted]') };
}

/** What the caller wrote, the longest first: one text may be part of another. */
export function promptsOf(request: unknown): readonly string[] {
  const { messages = [] } = request as Partial<ImageGenerationRequest>;
  return messages
    .map(({ text }) => text)
    .filter((text) => text !== '')
    .toSorted((a, b) => b.length - a.length);
}
