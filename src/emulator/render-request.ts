import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { createHash } from 'node:crypto';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import type { ImageGenerationRequest } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { drawingSizes, drawnMediaTypes, type DrawnMediaType } from '../renderers/local/drawing.ts';
import type { DrawingRequest } from '../renderers/local/scene.ts';
import { sizeFromRatio } from '../renderers/size-from-ratio.ts';
import { rpcErrorDetail, RpcError } from '../rpc/rpc-error.ts';

/** What the emulator accepts in a Generate. */
export interface RenderRequestRules {
  readonly promptCharactersMax: number;
  /** Names of the models that exist. */
  readonly models: readonly string[];
  /** Folders of the account; any when absent. */
  readonly folders?: readonly string[] | undefined;
}

/** The end of an operation: an image, or one of the failures that a prompt asks for. */
export type Ending = 'image' | 'refused-later' | 'fails';

/** A checked Generate: what to draw, in which format, and how the operation ends. */
export interface RenderRequest {
  readonly drawing: DrawingRequest;
  readonly mediaType: DrawnMediaType;
  readonly ending: Ending;
}

/** The vendor's message for a prompt that breaks its content rules. */
export const moderationMessage =
  'it is not possible to generate an image from this request because it may violate the terms of use';

const seedMax = 2n ** 63n - 1n;
const modelUri = /^art:\/\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/;

/**
 * Checks a Generate and turns it into a render request.
 *
 * Three prompts stand for images that can't be made: one with the word "forbidden"
 * is refused at once, one with "forbidden later" when its operation ends, and one
 * with "broken machine" fails inside.
 *
 * @throws RpcError with the vendor's codes and messages.
 */
export function renderRequestFromGenerate(
  request: ImageGenerationRequest,
  rules: RenderRequestRules,
  drawSeed: () => bigint,
): RenderRequest {
  checkModel(request.modelUri, rules);
  if (request.messages.some(({ weight }) => Number.isNaN(weight))) {
    throw badField('messages.weight', 'Weight must be a number');
  }
  // A weight of 0 is the same on the wire as none, and a text without a weight is wanted.
  const wanted = request.messages.filter(({ weight }) => weight >= 0).map(({ text }) => text);
  const unwanted = request.messages.filter(({ weight }) => weight < 0).map(({ text }) => text);
  const characters = wanted.reduce((sum, text) => sum + charactersOf(text), 0);
  if (characters === 0) throw badField('messages', 'Prompt is empty');
  if (characters > rules.promptCharactersMax) {
    const message = `Prompt positive size ${characters} exceeds limit (${rules.promptCharactersMax})`;
    throw new RpcError(status.INVALID_ARGUMENT, message);
  }
  const prompt = wanted.join('\n');
  const ending = endingOf(prompt);
  const options = request.generationOptions;
  const seed = options?.seed ?? 0n;
  if (seed < 0n || seed > seedMax)
    throw badField('generation_options.seed', 'Seed must not be negative');
  const { width, height } = sizeOf(
    options?.aspectRatio?.widthRatio ?? 0n,
    options?.aspectRatio?.heightRatio ?? 0n,
  );
  const mediaType = mediaTypeFromText(options?.mimeType ?? '');
  return {
    ending,
    mediaType,
    drawing: {
      prompt,
      // A hash: the texts have no limit and are kept for days, and only need to make a difference.
      negative: createHash('sha256').update(JSON.stringify(unwanted)).digest('base64url'),
      seed: seed === 0n ? drawSeed() : seed,
      width,
      height,
    },
  };
}

/** Code points of the composed form, which the limit counts. */
function charactersOf(text: string): number {
  return [...text.normalize('NFC')].length;
}

function checkModel(uri: string, rules: RenderRequestRules): void {
  const [, folder = '', model = ''] = modelUri.exec(uri) ?? [];
  if (model === '')
    throw badField('model_uri', 'Model URI must be art://<folder>/<model>[/<version>]');
  if (rules.folders !== undefined && !rules.folders.includes(folder)) {
    const own = rules.folders[0] ?? '';
    const message = `Specified folder ID '${folder}' does not match with service account folder ID '${own}'`;
    throw new RpcError(status.INVALID_ARGUMENT, message);
  }
  if (!rules.models.includes(model)) {
    throw new RpcError(status.PERMISSION_DENIED, `Access to model ${uri} denied`);
  }
}

function endingOf(prompt: string): Ending {
  if (/\bforbidden later\b/i.test(prompt)) return 'refused-later';
  if (/\bforbidden\b/i.test(prompt)) throw new RpcError(status.INVALID_ARGUMENT, moderationMessage);
  return /\bbroken machine\b/i.test(prompt) ? 'fails' : 'image';
}

function mediaTypeFromText(text: string): DrawnMediaType {
  if (text === '') return 'image/jpeg';
  const known = drawnMediaTypes.find((mediaType) => mediaType === text);
  if (known !== undefined) return known;
  throw badField(
    'generation_options.mime_type',
    `Mime type must be one of ${drawnMediaTypes.join(', ')}`,
  );
}

/** The size nearest to a ratio; 0:0 is a square. */
function sizeOf(width: bigint, height: bigint): { width: number; height: number } {
  const isUnset = width === 0n && height === 0n;
  const size = sizeFromRatio(isUnset ? undefined : { width, height }, drawingSizes);
  if (size !== undefined) return size;
  const { ratioMax } = drawingSizes;
  const message = `Aspect ratio must be positive and between 1:${ratioMax} and ${ratioMax}:1`;
  throw badField('generation_options.aspect_ratio', message);
}

function badField(field: string, description: string): RpcError {
  const violations = create(BadRequestSchema, { fieldViolations: [{ field, description }] });
  return new RpcError(status.INVALID_ARGUMENT, description, [
    rpcErrorDetail(BadRequestSchema, violations),
  ]);
}
