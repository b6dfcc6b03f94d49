import type { ImageRequestBody } from '../schemas/images.ts';
import { aspectRatioFromText, reducedRatio } from '../schemas/images.ts';
import type { OpenAiRequestBody } from '../schemas/openai.ts';
import { aspectRatioOfBody, messagesFromBody, requestedMediaType, seedOfBody } from './images.ts';
import { canonicalModelName, type ModelNames } from './models.ts';

/**
 * What a validated body asks for, equal for all bodies that ask for the same:
 * in the short form or in the long one, with zeros that mean absent or without.
 * A value that the configuration or a drawn number fills in is no part of it,
 * so that a retry after a change of these still finds its operation.
 */
export function canonicalImageRequest(body: ImageRequestBody, names: ModelNames): unknown {
  const { prompt, negativePrompt, messages, model, modelUri, ...rest } = body;
  const { aspectRatio, seed, mimeType, generationOptions, ...others } = rest;
  const ratio = aspectRatioOfBody({ aspectRatio, generationOptions });
  return {
    ...others,
    messages: messagesFromBody({ prompt, negativePrompt, messages }),
    model: canonicalModelName(modelUri ?? model, names),
    aspectRatio: ratio === undefined ? undefined : reducedRatio(ratio),
    seed: seedOfBody({ seed, generationOptions }),
    mimeType: requestedMediaType({ mimeType, generationOptions }),
  };
}

/** The same for a body in OpenAI's form. @param responseFormat how the images are sent, where the body leaves it open too. */
export function canonicalOpenAiRequest(
  body: OpenAiRequestBody,
  names: ModelNames,
  responseFormat: 'b64_json' | 'url',
): unknown {
  const { prompt, negativePrompt, model, aspectRatio, seed, size, ...rest } = body;
  // Only one value of these has a meaning here, and it is that of their absence.
  const { background: _opaque, frameCount: _one, n = 1, stream = false, ...others } = rest;
  const ratio = aspectRatio ?? aspectRatioFromText(size ?? 'auto');
  const image = { prompt, negativePrompt, model, aspectRatio: ratio, seed };
  return {
    ...others,
    ...{ n, stream, responseFormat, image: canonicalImageRequest(image, names) },
    // The folder of a header is part of what is asked for.
    folder: names.isFolderCallers === true ? names.folderId : undefined,
  };
}
