import fc, { type Arbitrary } from 'fast-check';
import { anyBytes, mutatedTexts } from './byte-mutation.ts';
import { oddBodies, type FieldTexts } from './odd-json.ts';

const prompts = [
  '"a red cat"',
  '"seven!!"',
  `"${'a'.repeat(500)}"`,
  '"кот"',
  '"\\ud83d\\ude00"',
].map((text) => Buffer.from(text).toString('latin1'));
const models = ['"yandex-art"', '"yandex-art/latest"', '"art://f/yandex-art/latest"'];
const seeds = ['1863', '"1863"', '0', '9223372036854775807', '1e5'];
const messages = [
  '[{"text":"a cat"}]',
  '[{"text":"a cat","weight":1},{"text":"text","weight":"-1"}]',
  '[{"text":"a cat","weight":1e400}]',
];
const generationOptions = [
  '{"mimeType":"image/jpeg"}',
  '{"seed":"1863","aspectRatio":{"widthRatio":"16","heightRatio":9}}',
  '{"mime_type":"image/jpeg","aspect_ratio":{"width_ratio":1,"height_ratio":1}}',
  '{"aspectRatio":{"widthRatio":"0","heightRatio":"0"}}',
];

interface CreateSurface {
  readonly path: string;
  readonly fields: FieldTexts;
  readonly required: readonly string[];
  /** Bodies that are right. */
  readonly bodies: readonly string[];
}

/** The three ways to have an image made. */
export const createSurfaces: readonly CreateSurface[] = [
  {
    path: '/v1/images',
    fields: {
      prompt: prompts,
      negativePrompt: ['"text"'],
      messages,
      model: models,
      modelUri: ['"art://f/yandex-art/latest"'],
      aspectRatio: ['"16:9"', '"1024x1536"', '"9223372036854775807:1"'],
      seed: seeds,
      mimeType: ['"image/jpeg"', '"image/png"'],
      generationOptions,
    },
    required: ['prompt'],
    bodies: ['{"prompt":"a red cat"}', '{"messages":[{"text":"cat","weight":1}],"seed":"1"}'],
  },
  {
    path: '/v1/images/generations',
    fields: {
      prompt: prompts,
      model: models,
      n: ['1', '2', '10', '11', '0'],
      size: ['"1024x1024"', '"auto"', '"1792x1024"'],
      responseFormat: ['"b64_json"', '"url"'],
      outputFormat: ['"jpeg"', '"png"', '"webp"'],
      stream: ['false', 'true'],
      user: ['"someone"'],
      aspectRatio: ['"16:9"'],
      seed: seeds,
      negativePrompt: ['"text"'],
      background: ['"opaque"', '"auto"', '"transparent"'],
      quality: ['"high"'],
      style: ['"vivid"'],
    },
    required: ['prompt'],
    bodies: ['{"prompt":"a red cat","model":"yandex-art","n":2,"size":"1024x1024"}'],
  },
  {
    path: '/foundationModels/v1/imageGenerationAsync',
    fields: { modelUri: ['"art://f/yandex-art/latest"'], messages, generationOptions },
    required: ['modelUri', 'messages'],
    bodies: ['{"modelUri":"art://f/yandex-art/latest","messages":[{"text":"cat","weight":"1"}]}'],
  },
];

export interface CreateInput {
  readonly path: string;
  /** In latin1. */
  readonly body: string;
}

/** A body for one of them: odd by its fields, or by its bytes. */
export const createInputs: Arbitrary<CreateInput> = fc
  .constantFrom(...createSurfaces)
  .chain(({ path, fields, required, bodies }) =>
    fc.record({
      path: fc.constant(path),
      body: fc.oneof(
        { weight: 4, arbitrary: oddBodies(fields, required) },
        {
          weight: 1,
          arbitrary: mutatedTexts(bodies, {
            pieces: fc.oneof(anyBytes, fc.constantFrom('{', '}', '[', '"', ':', ',', '\\u', 'e9')),
          }),
        },
      ),
    }),
  );
