import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Violation } from '../errors/violation-list.ts';
import { ImageGenerationOptionsSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_pb.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { AspectRatio, ImageRequestBody } from '../schemas/images.ts';
import { pointerFromPath } from '../schemas/field-names.ts';
import { characterCount } from '../text/character-count.ts';
import { cardOf, type ModelCard } from './model-card.ts';
import { chosenModel, modelNameOf, type ChosenModel, type ModelNames } from './models.ts';

/** The request that makes the upstream draw one image. */
export type { ImageGenerationRequest };

/** Values for what a request leaves open. */
export interface ImageDefaults extends ModelNames {
  /** Most characters in all texts of positive weight. */
  readonly promptCharactersMax: number;
  /** The same for single models, by name without folder and version. */
  readonly promptCharactersMaxByModel: ReadonlyMap<string, number>;
  /** What models can do, by name without folder and version, where the upstream says it. */
  readonly modelCards?: ReadonlyMap<string, ModelCard> | undefined;
}

/** Values that the route chose for this one request. */
export interface ImageChoices {
  /** Media type to ask for when the body names none and the model makes it. */
  readonly mediaType: string;
  /** A drawn seed, 1 … 2^53 − 1, for a body without one. */
  readonly drawnSeed: bigint;
}

/** A Generate, and what of it the caller itself named. */
export interface GenerateCall extends Pick<ChosenModel, 'namedByCaller'> {
  readonly generate: ImageGenerationRequest;
}

/** The upstream's request for a validated body. Its seed is never 0: for 0 the upstream would draw one and never return it. */
export function imageGenerationRequestFromBody(
  body: ImageRequestBody,
  defaults: ImageDefaults,
  choices: ImageChoices,
): GenerateCall {
  const { modelUri, namedByCaller } = chosenModel(
    body.modelUri ?? body.model,
    defaults,
    body.modelUri === undefined ? '#/model' : '#/modelUri',
  );
  const messages = messagesFromBody(body);
  const aspectRatio = aspectRatioOfBody(body);
  refuseLongPrompt(messages, {
    charactersMax: promptCharactersMaxOf(modelUri, defaults),
    pointer: body.messages === undefined ? '#/prompt' : '#/messages',
  });
  const mediaTypes = cardOf(modelUri, defaults.modelCards)?.mediaTypes ?? [];
  const generate = create(ImageGenerationRequestSchema, {
    modelUri,
    messages: [...messages],
    generationOptions: create(ImageGenerationOptionsSchema, {
      mimeType: mediaTypeFor(requestedMediaType(body), choices.mediaType, mediaTypes),
      seed: seedOfBody(body) ?? choices.drawnSeed,
      ...(aspectRatio === undefined ? {} : { aspectRatio }),
    }),
  });
  return { generate, namedByCaller };
}

type Fields<Names extends keyof ImageRequestBody> = Pick<ImageRequestBody, Names>;

/** The media type the body itself asks for, in either form. */
export function requestedMediaType(
  body: Fields<'mimeType' | 'generationOptions'>,
): string | undefined {
  return body.mimeType ?? body.generationOptions?.mimeType;
}

/** The seed the body itself asks for, in either form; undefined for 0, which leaves it open. */
export function seedOfBody(body: Fields<'seed' | 'generationOptions'>): bigint | undefined {
  return body.seed || body.generationOptions?.seed || undefined;
}

/** The ratio the body itself asks for, in either form; undefined for 0:0, which leaves it open. */
export function aspectRatioOfBody(
  body: Fields<'aspectRatio' | 'generationOptions'>,
): AspectRatio | undefined {
  return body.aspectRatio ?? aspectRatioFromOptions(body.generationOptions?.aspectRatio);
}

interface Message {
  readonly text: string;
  readonly weight: number;
}

/** The parts of the prompt, in either form. */
export function messagesFromBody(
  body: Fields<'prompt' | 'negativePrompt' | 'messages'>,
): readonly Message[] {
  if (body.messages !== undefined) {
    // A message without a weight is a plain part of the prompt; with protobuf's
    // default of 0 it would not count.
    return body.messages.map(({ text, weight }) => ({ text, weight: weight ?? 1 }));
  }
  const prompt = { text: body.prompt ?? '', weight: 1 };
  if (body.negativePrompt === undefined) return [prompt];
  return [prompt, { text: body.negativePrompt, weight: -1 }];
}

function aspectRatioFromOptions(
  ratio: { widthRatio?: bigint | undefined; heightRatio?: bigint | undefined } | undefined,
): AspectRatio | undefined {
  const widthRatio = ratio?.widthRatio ?? 0n;
  const heightRatio = ratio?.heightRatio ?? 0n;
  return widthRatio === 0n || heightRatio === 0n ? undefined : { widthRatio, heightRatio };
}

/** Most characters of a prompt: the operator's limit for the model, unless the model itself takes less; else the model's, else the usual one. */
export function promptCharactersMaxOf(modelUri: string, defaults: ImageDefaults): number {
  const own = defaults.promptCharactersMaxByModel.get(modelNameOf(modelUri));
  const ofModel = cardOf(modelUri, defaults.modelCards)?.promptCharactersMax;
  if (own === undefined) return ofModel ?? defaults.promptCharactersMax;
  return Math.min(own, ofModel ?? own);
}

/**
 * The media type to ask for. What the caller itself wants must be possible.
 *
 * @param possible with the model; empty where that is not known.
 * @throws GatewayError `invalid_request`.
 */
function mediaTypeFor(
  asked: string | undefined,
  otherwise: string,
  possible: readonly string[],
): string {
  if (asked !== undefined && possible.length > 0) refuseOtherMediaTypes(asked, possible);
  const isPossible = possible.length === 0 || possible.includes(otherwise);
  return asked ?? (isPossible ? otherwise : (possible[0] ?? otherwise));
}

/** @throws GatewayError `invalid_request` for a media type that is not made. */
export function refuseOtherMediaTypes(mediaType: string, possible: readonly string[]): void {
  if (possible.includes(mediaType)) return;
  const detail = `the upstream makes ${possible.join(', ')}`;
  throw new GatewayError('invalid_request', `mimeType: ${detail}`, {
    outcome: 'not_started',
    violations: [{ pointer: '#/mimeType', code: 'value', detail }],
  });
}

function refuseLongPrompt(
  messages: readonly Message[],
  limit: { readonly charactersMax: number; readonly pointer: string },
): void {
  const { charactersMax, pointer } = limit;
  const characters = messages
    .filter((message) => message.weight > 0)
    .reduce((sum, message) => sum + characterCount(message.text), 0);
  if (characters <= charactersMax) return;
  const detail = `the prompt has ${characters} characters; the model takes ${charactersMax}`;
  throw new GatewayError('prompt_too_long', detail, {
    violations: [{ pointer, code: 'too_big', detail }],
    outcome: 'not_started',
  });
}

/** Pointers of the fields of these names that the caller sent, in either form, as it wrote them. */
export function pointersOfFields(
  names: readonly string[],
  body: ImageRequestBody,
  json: unknown,
): readonly string[] {
  return names.flatMap((name) => {
    const path = pathOfField(name, body);
    return path === undefined ? [] : [pointerFromPath(path, json)];
  });
}

function pathOfField(name: string, body: ImageRequestBody): PropertyKey[] | undefined {
  const { messages = [], generationOptions: options } = body;
  const negative = messages.findIndex(({ weight = 1 }) => weight < 0);
  if (name === 'negativePrompt' && negative >= 0) return ['messages', negative];
  // A seed of 0 is none.
  const isSent = (fields: object | undefined) =>
    Boolean((fields as Readonly<Record<string, unknown>> | undefined)?.[name]);
  if (isSent(body)) return [name];
  return isSent(options) ? ['generationOptions', name] : undefined;
}

/** The short form of each field of the upstream's request. */
const shortForms: readonly (readonly [pattern: RegExp, short: string])[] = [
  [/^#\/modelUri/, '#/model'],
  [/^#\/messages\/0(?:\/|$)/, '#/prompt'],
  [/^#\/messages\/1(?:\/|$)/, '#/negativePrompt'],
  [/^#\/messages$/, '#/prompt'],
  [/^#\/generationOptions\/seed/, '#/seed'],
  [/^#\/generationOptions\/mimeType/, '#/mimeType'],
  [/^#\/generationOptions\/aspectRatio/, '#/aspectRatio'],
];

/** Fields that OpenAI's surface has another name for. */
const openAiForms: Readonly<Record<string, string>> = {
  '#/aspectRatio': 'size',
  '#/mimeType': 'outputFormat',
};

/** A violation that the upstream found, placed at the field that the caller wrote. */
export function violationInBody(violation: Violation, json: unknown): Violation {
  const { pointer } = violation;
  if (pointer === undefined) return violation;
  const segments = pointer.split('/').slice(1);
  const long = pointerFromPath(segments, json);
  if (hasPath(json, long.split('/').slice(1))) return { ...violation, pointer: long };
  const short = shortForms.find(([pattern]) => pattern.test(pointer))?.[1];
  if (short === undefined) return violation;
  const places = [short.slice(2), openAiForms[short] ?? short.slice(2)].map((name) =>
    pointerFromPath([name], json),
  );
  const written = places.find((place) => hasPath(json, place.split('/').slice(1)));
  return { ...violation, pointer: written ?? places[0] ?? short };
}

function hasPath(json: unknown, segments: readonly string[]): boolean {
  let value = json;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return false;
    value = (value as Readonly<Record<string, unknown>>)[segment];
  }
  return true;
}
