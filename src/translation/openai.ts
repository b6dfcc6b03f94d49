import { aspectRatioFromText } from '../schemas/images.ts';
import { int64Max } from '../schemas/int64.ts';
import { ignoredFields, type OpenAiRequestBody } from '../schemas/openai.ts';
import { snakeFromCamel } from '../schemas/field-names.ts';
import { imageGenerationRequestFromBody, type GenerateCall, type ImageDefaults } from './images.ts';

export interface OpenAiChoices {
  /** Media types the upstream can make, the preferred one first. */
  readonly mediaTypes: readonly string[];
  /** A drawn seed, 1 … 2^53 − 1, for a body without one. */
  readonly drawnSeed: bigint;
}

/** One request to the upstream for each image, with consecutive seeds. */
export function imageGenerationRequestsFromOpenAi(
  body: OpenAiRequestBody,
  defaults: ImageDefaults,
  { mediaTypes, drawnSeed }: OpenAiChoices,
): readonly GenerateCall[] {
  const { prompt, model, negativePrompt, n = 1 } = body;
  const aspectRatio = body.aspectRatio ?? aspectRatioFromText(body.size ?? 'auto');
  const firstSeed = body.seed || drawnSeed;
  const native = { prompt, model, negativePrompt, aspectRatio };
  return Array.from({ length: n }, (_, index) =>
    imageGenerationRequestFromBody({ ...native, seed: seedAfter(firstSeed, index) }, defaults, {
      mediaType: mediaTypeOf(body, mediaTypes) ?? mediaTypes[0] ?? '',
      drawnSeed,
    }),
  );
}

/** Names of the fields that are accepted and have no effect, in the caller's snake_case. */
export function ignoredByOpenAi(
  body: OpenAiRequestBody,
  mediaTypes: readonly string[],
): readonly string[] {
  const names = ignoredFields.filter((name) => body[name] !== undefined).map(snakeFromCamel);
  const isOtherFormat =
    body.outputFormat !== undefined && mediaTypeOf(body, mediaTypes) === undefined;
  return isOtherFormat ? [...names, 'output_format'] : names;
}

/** Of fields in camelCase, those that the caller sent, by their names in OpenAI's form. */
export function sentToOpenAi(names: readonly string[], body: OpenAiRequestBody): readonly string[] {
  const fields = body as Readonly<Record<string, unknown>>;
  return names
    .map((name) => (name === 'mimeType' ? 'outputFormat' : name))
    .filter((name) => Boolean(fields[name]))
    .map(snakeFromCamel);
}

/** The media type that was asked for, if the upstream can make it. */
function mediaTypeOf(
  { outputFormat }: OpenAiRequestBody,
  mediaTypes: readonly string[],
): string | undefined {
  return mediaTypes.find((mediaType) => mediaType === `image/${outputFormat ?? ''}`);
}

/** Never 0, for which the upstream would draw a seed and not return it. */
function seedAfter(first: bigint, index: number): bigint {
  const seed = first + BigInt(index);
  return seed > int64Max ? seed - int64Max : seed;
}
