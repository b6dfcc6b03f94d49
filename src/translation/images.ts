import { create } from '@bufbuild/protobuf';
import { GatewayError, type Violation } from '../errors/gateway-error.ts';
import { ImageGenerationOptionsSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_pb.ts';
import {
  ImageGenerationRequestSchema,
  type ImageGenerationRequest,
} from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { ImageRequestBody } from '../schemas/images.ts';
import { pointerFromPath } from '../schemas/field-names.ts';

/** The request that makes the upstream draw one image. */
export type { ImageGenerationRequest };

/** What completes a request that leaves things open. */
export interface ImageDefaults {
  /** Folder that model names are looked up in. */
  readonly folderId: string;
  /** Model of a request that names none: a name, name/version, alias or art:// URI. */
  readonly defaultModel: string;
  /** Names of this gateway's own for models; one step, never chained. */
  readonly modelAliases: ReadonlyMap<string, string>;
  /** Most characters in all texts of positive weight. */
  readonly promptCharactersMax: number;
  /** The same for single models, by name without folder and version. */
  readonly promptCharactersMaxByModel: ReadonlyMap<string, number>;
}

/** What the negotiation decided and the body left open. */
export interface ImageChoices {
  /** Media type to ask for when the body names none. */
  readonly mediaType: string;
  /** A drawn seed, 1 … 2^53 − 1, for a body without one. */
  readonly drawnSeed: bigint;
}

/** The upstream's request for a validated body. Its seed is never 0, so it is always known. */
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
    // A message without a weight is a plain part of the prompt; the wire's own
    // default of 0 would make it count for nothing.
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
    .reduce((sum, message) => sum + charactersOf(message.text), 0);
  if (characters <= charactersMax) return;
  const detail = `the prompt has ${characters} characters; the model takes ${charactersMax}`;
  throw new GatewayError('prompt_too_long', detail, {
    violations: [{ pointer, code: 'too_big', detail }],
    outcome: 'not_started',
  });
}

/** Code points, as people count: an emoji outside the first plane is one. */
function charactersOf(text: string): number {
  let characters = 0;
  for (const _ of text) characters += 1;
  return characters;
}

/** Where each field of the upstream's request comes from when the body has the short form. */
const shortForms: readonly (readonly [pattern: RegExp, short: string])[] = [
  [/^#\/modelUri/, '#/model'],
  [/^#\/messages\/0(?:\/|$)/, '#/prompt'],
  [/^#\/messages\/1(?:\/|$)/, '#/negativePrompt'],
  [/^#\/messages$/, '#/prompt'],
  [/^#\/generationOptions\/seed/, '#/seed'],
  [/^#\/generationOptions\/mimeType/, '#/mimeType'],
  [/^#\/generationOptions\/aspectRatio/, '#/aspectRatio'],
];

/** A fault the upstream found, at the place in the body that the caller wrote. */
export function violationInBody(fault: Violation, json: unknown): Violation {
  const { pointer } = fault;
  if (pointer === undefined) return fault;
  const segments = pointer.split('/').slice(1);
  const long = pointerFromPath(segments, json);
  if (hasPath(json, long.split('/').slice(1))) return { ...fault, pointer: long };
  const short = shortForms.find(([pattern]) => pattern.test(pointer))?.[1];
  if (short === undefined) return fault;
  return { ...fault, pointer: pointerFromPath([short.slice(2)], json) };
}

function hasPath(json: unknown, segments: readonly string[]): boolean {
  let value = json;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, segment)) return false;
    value = (value as Readonly<Record<string, unknown>>)[segment];
  }
  return true;
}
