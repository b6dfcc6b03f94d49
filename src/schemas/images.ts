import { z } from 'zod';
import { isBlank } from '../text/blank.ts';
import { imageMediaTypes, registeredMediaType, type ImageMediaType } from '../text/media-type.ts';
import { documentedAs, doubleSchema, int64Max, int64Schema } from './int64.ts';
import { itemsMax, type FieldTree } from './field-names.ts';

const text = z
  .string()
  .min(1, { abort: true })
  .refine((value) => !isBlank(value), {
    error: 'expected a text with visible characters',
    params: { code: 'blank' },
  });

const message = z
  .strictObject({
    text: text.meta({ description: 'What the image should show.', example: 'red cat' }),
    weight: doubleSchema.optional().meta({
      description:
        'How much this part counts. Negative: what the image should not show. Absent: 1. May also be a decimal string.',
      example: 1,
      override: documentedAs({ type: 'number', format: 'double' }),
    }),
  })
  .meta({ id: 'PromptMessage', description: 'One part of the prompt.' });

const ratioSide = (side: string) =>
  int64Schema({ min: 0n, max: int64Max }).meta({
    description: `${side} of the ratio, in any unit.`,
    example: '16',
    override: documentedAs({ type: 'string', format: 'int64' }),
  });

const ratio = z
  .strictObject({
    widthRatio: ratioSide('Width').optional(),
    heightRatio: ratioSide('Height').optional(),
  })
  .superRefine((value, context) => {
    const width = value.widthRatio ?? 0n;
    const height = value.heightRatio ?? 0n;
    // 0:0 means unset; a single side is a mistake.
    if ((width === 0n) === (height === 0n)) return;
    context.addIssue({
      code: 'custom',
      params: { code: 'pattern' },
      message: 'expected both sides to be positive, or neither to be set',
    });
  })
  .meta({ id: 'AspectRatio', description: 'Width to height. 0:0 means unset.' });

const mediaType = z
  .string()
  .transform((input, context): ImageMediaType => {
    const name = registeredMediaType(input);
    const known = imageMediaTypes.find((mediaType) => mediaType === name);
    if (known !== undefined) return known;
    const detail = `expected one of ${imageMediaTypes.join(', ')}`;
    context.addIssue({ code: 'custom', params: { code: 'value' }, message: detail, input });
    return z.NEVER;
  })
  .meta({
    description:
      'Media type of the image. Which ones are possible depends on the upstream; others are refused before anything is spent.',
    example: 'image/jpeg',
    override: { type: 'string', enum: [...imageMediaTypes] },
  });

const seed = int64Schema({ min: 0n, max: int64Max }).meta({
  description:
    'Start value of the generator, 0 … 2^63 − 1, as a decimal string or a JSON integer; never rounded. 0 or absent: the gateway draws one and returns it.',
  example: '1863',
  override: documentedAs({ type: 'string', format: 'int64', pattern: '^[0-9]+$' }),
});

const generationOptions = z
  .strictObject({
    mimeType: mediaType.optional(),
    seed: seed.optional(),
    aspectRatio: ratio.optional(),
  })
  .meta({
    id: 'GenerationOptions',
    description: 'The long form of mimeType, seed and aspectRatio.',
  });

const aspectRatioPattern = /^([1-9][0-9]{0,18})[:x]([1-9][0-9]{0,18})$/;

export interface AspectRatio {
  readonly widthRatio: bigint;
  readonly heightRatio: bigint;
}

/** The ratio of `W:H` or `WxH`, reduced to lowest terms; undefined for other texts. */
export function aspectRatioFromText(text: string): AspectRatio | undefined {
  const [, width = '', height = ''] = aspectRatioPattern.exec(text) ?? [];
  if (width === '') return undefined;
  const [wide, high] = [BigInt(width), BigInt(height)];
  if (wide > int64Max || high > int64Max) return undefined;
  return reducedRatio({ widthRatio: wide, heightRatio: high });
}

/** A ratio of positive sides in lowest terms. */
export function reducedRatio({ widthRatio, heightRatio }: AspectRatio): AspectRatio {
  const divisor = greatestCommonDivisor(widthRatio, heightRatio);
  return { widthRatio: widthRatio / divisor, heightRatio: heightRatio / divisor };
}

/** Short forms of 0:0, which means unset as it does in the long form. */
const unsetRatios: ReadonlySet<string> = new Set(['0:0', '0x0']);

const aspectRatio = z
  .string()
  .transform((input, context): AspectRatio | undefined => {
    if (unsetRatios.has(input)) return undefined;
    const ratioOfInput = aspectRatioFromText(input);
    if (ratioOfInput !== undefined) return ratioOfInput;
    context.addIssue({
      code: 'custom',
      params: { code: 'pattern' },
      message: 'expected W:H or WxH in positive integers, for example 16:9 or 1024x1536',
      input,
    });
    return z.NEVER;
  })
  .meta({
    description: 'W:H, or a size in pixels WxH; only the ratio counts.',
    example: '16:9',
    override: { type: 'string', pattern: '^[1-9][0-9]*[:x][1-9][0-9]*$' },
  });

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  return b === 0n ? a : greatestCommonDivisor(b, a % b);
}

const modelUriPattern = /^art:\/\/[A-Za-z0-9._-]+\/[A-Za-z0-9._@-]+(?:\/[A-Za-z0-9._@-]+)?$/;
const modelCharactersMax = 256;

/** Any text: one that can't name a model is `model_not_found`, as every other name of none. */
const model = z.string().meta({
  description: 'A model name, name/version, an alias of this gateway, or a whole art:// URI.',
  example: 'yandex-art',
});

const modelUri = z
  .string()
  .max(modelCharactersMax)
  .regex(modelUriPattern, { error: 'expected art://folder/name/version' })
  .meta({ description: 'The long form of model.', example: 'art://folder/yandex-art/latest' });

/** Each short form, and the path of the long form with the same meaning. */
const forms = [
  ['prompt', 'messages'],
  ['negativePrompt', 'messages'],
  ['model', 'modelUri'],
  ['seed', 'generationOptions', 'seed'],
  ['mimeType', 'generationOptions', 'mimeType'],
  ['aspectRatio', 'generationOptions', 'aspectRatio'],
] as const;

export const imageRequestSchema = z
  .strictObject({
    prompt: text
      .optional()
      .meta({ description: 'What the image should show.', example: 'red cat in a spaceship' }),
    negativePrompt: text
      .optional()
      .meta({ description: 'What the image should not show.', example: 'text, watermark' }),
    messages: z.array(message).max(itemsMax).optional().meta({
      description: 'The long form of prompt and negativePrompt. Send exactly one of the two forms.',
    }),
    model: model.optional(),
    modelUri: modelUri.optional(),
    aspectRatio: aspectRatio.optional(),
    seed: seed.optional(),
    mimeType: mediaType.optional(),
    generationOptions: generationOptions.optional(),
  })
  .superRefine((body, context) => {
    const tree = body as Readonly<Record<string, unknown>>;
    for (const [short, ...long] of forms) {
      const longValue = long.reduce<unknown>((value, name) => fieldOf(value, name), tree);
      if (!isSet(tree[short]) || !isSet(longValue)) continue;
      const detail = `${short} and ${long.join('.')} are two forms of one thing: send one`;
      for (const path of [[short], [...long]]) {
        context.addIssue({ code: 'custom', params: { code: 'both_forms' }, message: detail, path });
      }
    }
    if (body.prompt === undefined && body.messages === undefined) {
      const detail = 'expected prompt, or messages';
      context.addIssue({
        code: 'custom',
        params: { code: 'required' },
        message: detail,
        path: ['prompt'],
      });
    }
  })
  .meta({
    id: 'ImageRequest',
    description:
      'The image to make. The snake_case names of the proto file are accepted too; null means absent.',
  });

/** Whether a value has a meaning: a seed of 0 is drawn, and a ratio of 0:0 is unset. */
function isSet(value: unknown): boolean {
  if (value === undefined || value === 0n) return false;
  const sides = [fieldOf(value, 'widthRatio'), fieldOf(value, 'heightRatio')];
  return !sides.includes(0n);
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

/** A request body after validation: camelCase, exact integers, no nulls. */
export type ImageRequestBody = z.output<typeof imageRequestSchema>;

/** The field names of the body of a create. */
export const imageRequestFields: FieldTree = {
  prompt: 'text',
  negativePrompt: 'text',
  messages: [{ text: 'text', weight: true }],
  model: true,
  modelUri: true,
  aspectRatio: true,
  seed: 'exact',
  mimeType: true,
  generationOptions: {
    mimeType: true,
    seed: 'exact',
    aspectRatio: { widthRatio: true, heightRatio: true },
  },
};
