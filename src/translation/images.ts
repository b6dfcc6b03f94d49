import { create } from '@bufbuild/protobuf';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Violation } from '../errors/violation-list.ts';
import { ImageGenerationOptionsSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_pb.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { ImageRequestBody } from '../schemas/images.ts';
import { pointerFromPath } from '../schemas/field-names.ts';
import { characterCount } from '../text/character-count.ts';

/** The request that makes the upstream draw one image. */
export type { ImageGenerationRequest };

/** Values for what a request leaves open. */
export interface ImageDefaults {
  /** Folder that model names are looked up in. */
  readonly folderId: string;
  /** Model of a request that names none: a name, name/version, alias or art:// URI. */
  readonly defaultModel: string;
  /** This gateway's own names for models. An alias never names another alias. */
  readonly modelAliases: ReadonlyMap<string, string>;
  /** Most characters in all texts of positive weight. */
  readonly promptCharactersMax: number;
  /** The same for single models, by name without folder and version. */
  readonly promptCharactersMaxByModel: ReadonlyMap<string, number>;
}

/** Values that the route chose for this one request. */
export interface ImageChoices {
  /** Media type to ask for when the body names none. */
  readonly mediaType: string;
  /** A drawn seed, 1 … 2^53 − 1, for a body without one. */
  readonly drawnSeed: bigint;
}

/** The upstream's request for a validated body. Its seed is never 0: for 0 the upstream would draw one and never return it. */
export function imageGenerationRequestFromBody(
  body: ImageRequestBody,
  defaults: ImageDefaults,
  choices: ImageChoices,
): ImageGenerationRequest {
  const options = body.generationOptions;
  const modelUri = body.modelUri ?? modelUriFromName(body.model ?? defaults.defaultModel, defaults);
  const messages = messagesFromBody(body);
  const aspectRatio = body.aspectRatio ?? aspectRatioFromOptions(options?.aspectRatio);
  refuseLongPrompt(messages, {
    charactersMax: promptCharactersMaxOf(modelUri, defaults),
    pointer: body.messages === undefined ? '#/prompt' : '#/messages',
  });
  return create(ImageGenerationRequestSchema, {
    modelUri,
    messages,
    generationOptions: create(ImageGenerationOptionsSchema, {
      mimeType: requestedMediaType(body) ?? choices.mediaType,
      seed: body.seed || options?.seed || choices.drawnSeed,
      ...(aspectRatio === undefined ? {} : { aspectRatio }),
    }),
  });
}

/** The media type the body itself asks for, in either form. */
export function requestedMediaType(body: ImageRequestBody): string | undefined {
  return body.mimeType ?? body.generationOptions?.mimeType;
}

interface Message {
  readonly text: string;
  readonly weight: number;
}

function messagesFromBody(body: ImageRequestBody): Message[] {
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
) {
  const widthRatio = ratio?.widthRatio ?? 0n;
  const heightRatio = ratio?.heightRatio ?? 0n;
  return widthRatio === 0n || heightRatio === 0n ? undefined : { widthRatio, heightRatio };
}

const scheme = 'art://';

/** `name`, `name/version`, an alias or a URI → a model URI. No version is the latest one. */
export function modelUriFromName(
  name: string,
  defaults: Pick<ImageDefaults, 'folderId' | 'modelAliases'>,
): string {
  const resolved = defaults.modelAliases.get(name) ?? name;
  if (resolved.startsWith(scheme)) return resolved;
  const versioned = resolved.includes('/') ? resolved : `${resolved}/latest`;
  return `${scheme}${defaults.folderId}/${versioned}`;
}

function promptCharactersMaxOf(modelUri: string, defaults: ImageDefaults): number {
  const model = modelUri.slice(scheme.length).split('/')[1] ?? '';
  return defaults.promptCharactersMaxByModel.get(model) ?? defaults.promptCharactersMax;
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

/** A violation that the upstream found, placed at the field that the caller wrote. */
export function violationInBody(violation: Violation, json: unknown): Violation {
  const { pointer } = violation;
  if (pointer === undefined) return violation;
  const segments = pointer.split('/').slice(1);
  const long = pointerFromPath(segments, json);
  if (hasPath(json, long.split('/').slice(1))) return { ...violation, pointer: long };
  const short = shortForms.find(([pattern]) => pattern.test(pointer))?.[1];
  if (short === undefined) return violation;
  return { ...violation, pointer: pointerFromPath([short.slice(2)], json) };
}

function hasPath(json: unknown, segments: readonly string[]): boolean {
  let value = json;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return false;
    value = (value as Readonly<Record<string, unknown>>)[segment];
  }
  return true;
}
