import { z } from 'zod';
import { imageRequestSchema } from './images.ts';
import { snakeFromCamel, type FieldTree } from './field-names.ts';

const { prompt, model, aspectRatio, seed, negativePrompt } = imageRequestSchema.shape;

const sizePattern = /^(?:auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$/;
/** Fields that are accepted and have no effect: the upstream has nothing like them. */
export const ignoredFields = [
  'complexity',
  'moderation',
  'outputCompression',
  'partialImages',
  'quality',
  'safetyIdentifier',
  'style',
] as const;

const ignored = z
  .unknown()
  .optional()
  .meta({ description: 'Accepted without effect, and listed in X-Ignored-Params.' });

/** The properties under the names that OpenAI's clients send; the gateway reads both forms. */
function withSnakeNames<Property>(properties: Readonly<Record<string, Property>> = {}) {
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [snakeFromCamel(name), property]),
  );
}

/** Body of POST /v1/images/generations: OpenAI's fields, and further ones that the upstream supports. */
export const openAiRequestSchema = z
  .strictObject({
    prompt: prompt.unwrap(),
    model: model.optional(),
    n: z.int().min(1).max(10).optional().meta({ description: 'How many images, 1 … 10.' }),
    size: z
      .string()
      .regex(sizePattern, { error: 'expected auto, or WxH in pixels such as 1024x1536' })
      .optional()
      .meta({
        description: '`auto`, or WxH in pixels; only the ratio counts.',
        example: '1024x1024',
      }),
    responseFormat: z.enum(['b64_json', 'url']).optional().meta({
      description:
        '`b64_json` if absent, but `url` where `model` is dall-e-2 or dall-e-3, as at OpenAI.',
    }),
    outputFormat: z
      .enum(['png', 'jpeg', 'webp', 'jpg'])
      .transform((format) => (format === 'jpg' ? 'jpeg' : format))
      .optional()
      .meta({ override: { type: 'string', enum: ['png', 'jpeg', 'webp'] } }),
    stream: z.boolean().optional(),
    user: z.string().optional(),
    aspectRatio,
    seed,
    negativePrompt,
    background: z
      .enum(['opaque', 'auto'], { error: 'expected opaque or auto: only opaque images are made' })
      .optional(),
    frameCount: z
      .literal(1, { error: 'expected 1: only still images are made' })
      .optional()
      .meta({ override: { type: 'integer', minimum: 1, maximum: 1 } }),
    ...(Object.fromEntries(ignoredFields.map((name) => [name, ignored])) as Record<
      (typeof ignoredFields)[number],
      typeof ignored
    >),
  })
  .superRefine((body, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', params: { code: 'value' }, message, path: [path] });
    if (body.stream === true && (body.n ?? 1) > 1) refuse('n', 'a stream has one image');
    if (body.size !== undefined && body.size !== 'auto' && body.aspectRatio !== undefined) {
      refuse('size', 'size and aspect_ratio are two forms of one thing: send one');
    }
  })
  .meta({
    id: 'OpenAiImageRequest',
    override: ({ jsonSchema }: { jsonSchema: { properties?: Record<string, unknown> } }) => {
      jsonSchema.properties = withSnakeNames(jsonSchema.properties);
    },
    description: 'The images to make, as OpenAI’s clients ask for them.',
  });

export type OpenAiRequestBody = z.output<typeof openAiRequestSchema>;

export const openAiRequestFields: FieldTree = Object.fromEntries(
  Object.keys(openAiRequestSchema.shape).map((name) => [name, true] as const),
);

const image = z
  .object({
    b64_json: z.string().optional().meta({ format: 'byte' }),
    url: z.string().optional().meta({ format: 'uri' }),
    seed: z
      .string()
      .optional()
      .meta({ description: 'Absent where the model takes no seeds.', format: 'int64' }),
    operation_id: z.string(),
  })
  .meta({ id: 'OpenAiImage', description: 'One image: its bytes or its address.' });

export const openAiImagesSchema = z
  .object({
    created: z.int().meta({ description: 'Seconds since 1970.' }),
    id: z.string(),
    model: z.string(),
    size: z.string().optional().meta({ description: 'Actual size of the first image.' }),
    output_format: z.string().meta({ description: 'Actual format of the first image.' }),
    data: z.array(image),
    errors: z
      .array(
        z.object({ index: z.int(), code: z.string(), message: z.string() }).meta({
          id: 'OpenAiPictureError',
          description: 'Why one of several images was not made.',
        }),
      )
      .optional(),
  })
  .meta({ id: 'OpenAiImages', description: 'The images that were made.' });

const sizeArea = z
  .object({
    pixels: z.int().meta({ description: 'Width times height, about.', example: 1_048_576 }),
    side_multiple: z
      .int()
      .meta({ description: 'Width and height are multiples of this.', example: 16 }),
    ratio_max: z
      .number()
      .meta({ description: 'Greatest ratio of the longer side to the shorter.', example: 3 }),
  })
  .meta({ id: 'OpenAiModelSizeArea', description: 'Images of about one area, of every ratio.' });

/** What the upstream says of a model beyond OpenAI's own fields; all absent where it says nothing. */
const openAiModel = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.int(),
    owned_by: z.string(),
    sizes: z
      .array(z.string())
      .optional()
      .meta({
        description: 'The sizes it makes; what is asked for is fitted to the nearest, or refused.',
        example: ['1024x1024', '1536x1024', '1024x1536'],
      }),
    size_area: sizeArea.optional(),
    media_types: z
      .array(z.string())
      .optional()
      .meta({
        description: 'What may be asked for, the preferred one first.',
        example: ['image/jpeg'],
      }),
    prompt_characters_max: z
      .int()
      .optional()
      .meta({ description: 'Most characters of the prompt.', example: 500 }),
    seeds: z.boolean().optional().meta({ description: 'Whether the seed changes the image.' }),
    negative_prompts: z
      .boolean()
      .optional()
      .meta({ description: 'Whether a negative prompt changes the image.' }),
  })
  .meta({ id: 'OpenAiModel', description: 'A model you may use.' });

export const openAiModelSchema = openAiModel;
export const openAiModelsSchema = z
  .object({ object: z.literal('list'), data: z.array(openAiModel) })
  .meta({ id: 'OpenAiModels', description: 'The models you may use.' });
