import { z } from 'zod';
import {
  openAiImagesSchema,
  openAiModelSchema,
  openAiModelsSchema,
  openAiRequestFields,
  openAiRequestSchema,
} from '../openai.ts';
import { openAiForm } from '../error-forms/openai-form.ts';
import { idempotencyKeyHeader, noQuery } from './parameters.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { callerReasons, createReasons } from './shared-responses.ts';

const exampleImages = {
  created: 1_795_428_000,
  id: 'op_AZk3v0',
  model: 'art://folder/yandex-art/latest',
  size: '1024x1024',
  output_format: 'jpeg',
  data: [{ b64_json: '/9j/4AAQ', seed: '1863', operation_id: 'op_AZk3v0' }],
};

/** Whole by OpenAI's types: typed clients drop an event that lacks a field. */
const exampleEvent = {
  type: 'image_generation.completed',
  created_at: 1_795_428_014,
  size: '1024x1024',
  output_format: 'jpeg',
  quality: 'auto',
  background: 'opaque',
  seed: '1863',
  operation_id: 'op_AZk3v0',
  usage: {
    input_tokens: 0,
    output_tokens: 0,
    total_tokens: 0,
    input_tokens_details: { image_tokens: 0, text_tokens: 0 },
  },
  b64_json: '/9j/4AAQ',
};

const exampleModel = {
  ...{ id: 'yandex-art', object: 'model', created: 0, owned_by: 'upstream' },
  size_area: { pixels: 1_048_576, side_multiple: 16, ratio_max: 3 },
  media_types: ['image/jpeg', 'image/png', 'image/webp'],
  prompt_characters_max: 500,
  seeds: true,
  negative_prompts: true,
};

export const createOpenAiImage = routeContract({
  method: 'post',
  path: '/v1/images/generations',
  operationId: 'createOpenAiImage',
  access: 'images:create',
  spends: true,
  errorForm: openAiForm,
  tag: 'openai',
  summary: 'Create images with OpenAI’s API',
  description: [
    'For OpenAI’s clients with only their base URL changed. The response waits for the images: as long as the client says in `x-stainless-timeout`, at most 280 seconds; then 504, and the client’s retry joins the same operations.',
    'With `stream: true` the response is an event stream: `image_generation.completed`, or `error`.',
  ].join('\n\n'),
  requestHeaders: z.object({
    'Idempotency-Key': idempotencyKeyHeader,
    'OpenAI-Project': z.string().optional().meta({ description: 'Id of the folder of the model.' }),
    Prefer: z
      .string()
      .optional()
      .meta({ description: '`handling=strict`: refuse fields that would be ignored.' }),
  }),
  query: noQuery,
  body: {
    schema: openAiRequestSchema,
    fields: openAiRequestFields,
    examples: { square: { model: 'yandex-art', prompt: 'a red cat', size: '1024x1024' } },
  },
  responses: {
    200: {
      description: 'The images.',
      headers: headersSchema(
        ['X-Request-Id', 'Cache-Control'],
        [
          'X-Operation-Id',
          'Location',
          'X-Ignored-Params',
          'Idempotency-Replayed',
          'RateLimit',
          'RateLimit-Policy',
          'X-RateLimit-Limit-Requests',
          'X-RateLimit-Remaining-Requests',
          'X-RateLimit-Reset-Requests',
        ],
      ),
      content: { 'application/json': openAiImagesSchema, 'text/event-stream': 'events' },
      examples: {
        'application/json': { one: exampleImages },
        'text/event-stream': {
          one: `event: image_generation.completed\ndata: ${JSON.stringify(exampleEvent)}\n\n`,
        },
      },
    },
  },
  reasons: [
    'operation_canceled',
    'operation_expired',
    'generation_timeout',
    'result_lost',
    'upstream_message_too_large',
    ...createReasons,
  ],
});

const modelRoute = {
  method: 'get',
  access: 'operations:read',
  errorForm: openAiForm,
  tag: 'openai',
  query: noQuery,
} as const;

export const listModels = routeContract({
  ...modelRoute,
  path: '/v1/models',
  operationId: 'listModels',
  summary: 'List the models',
  description:
    'The models that you may name in `model`, and what each can do, where the upstream says it: sizes, media types, the limit of the prompt, and whether seeds and negative prompts count.',
  responses: {
    200: {
      description: 'The models.',
      headers: headersSchema(['X-Request-Id', 'Cache-Control']),
      content: { 'application/json': openAiModelsSchema },
      examples: { 'application/json': { one: { object: 'list', data: [exampleModel] } } },
    },
  },
  reasons: ['invalid_request', 'unknown_field', 'internal_error', ...callerReasons],
});

export const getModel = routeContract({
  ...modelRoute,
  path: '/v1/models/{id}',
  operationId: 'getModel',
  summary: 'Get a model',
  description: 'The model of a name, if you may use it.',
  params: z.object({ id: z.string().meta({ example: 'yandex-art' }) }),
  responses: {
    200: {
      description: 'The model.',
      headers: headersSchema(['X-Request-Id', 'Cache-Control']),
      content: { 'application/json': openAiModelSchema },
      examples: { 'application/json': { one: exampleModel } },
    },
  },
  reasons: [
    'invalid_request',
    'unknown_field',
    'model_not_found',
    'internal_error',
    ...callerReasons,
  ],
});
