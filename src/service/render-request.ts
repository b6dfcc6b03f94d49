import type { ImageGenerationRequest } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { RendererError, type RenderRequest } from '../renderers/renderer.ts';

/**
 * What a Generate asks for: texts of positive weight joined to one prompt, the
 * others negative.
 *
 * @throws RendererError `refused` for what is no number.
 */
export function renderRequestFromMessage(request: ImageGenerationRequest): RenderRequest {
  const { messages, generationOptions: options, modelUri } = request;
  if (messages.some(({ weight }) => Number.isNaN(weight))) {
    throw new RendererError('refused', 'Weight must be a number', { field: 'messages.weight' });
  }
  // The wire can't tell a weight of 0 from none, and a text without one is plainly meant.
  const positive = messages.filter(({ weight }) => weight >= 0).map(({ text }) => text);
  const negativePrompts = messages.filter(({ weight }) => weight < 0).map(({ text }) => text);
  const width = options?.aspectRatio?.widthRatio ?? 0n;
  const height = options?.aspectRatio?.heightRatio ?? 0n;
  const isUnset = width === 0n && height === 0n;
  return {
    modelUri,
    prompt: positive.join('\n'),
    negativePrompts,
    seed: options?.seed ?? 0n,
    ratio: isUnset ? undefined : { width, height },
    mediaType: options?.mimeType ?? '',
  };
}
