import { z } from 'zod';
import { vendorForm } from '../error-forms/vendor-form.ts';
import { idempotencyKeyHeader, idParams, noQuery } from './parameters.ts';
import { headersSchema } from './response-headers.ts';
import { routeContract } from './route-contract.ts';
import { createReasons, operationReasons } from './shared-responses.ts';
import { vendorOperationSchema, vendorRequestFields, vendorRequestSchema } from '../vendor.ts';

export const createVendorImage = routeContract({
  method: 'post',
  path: '/foundationModels/v1/imageGenerationAsync',
  operationId: 'createYandexImage',
  access: 'images:create',
  spends: true,
  errorForm: vendorForm,
  tag: 'yandex',
  summary: 'Make an image, as the vendor’s REST does',
  description:
    'The request and the answer of `ImageGenerationAsyncService.Generate` as the vendor maps them to REST. The operation is read at `/operations/{id}` in the same form, with the image as base64 in `response.image`. A body sent as `application/x-www-form-urlencoded`, curl’s default, is read as JSON.',
  requestHeaders: z.object({ 'Idempotency-Key': idempotencyKeyHeader }),
  query: noQuery,
  body: {
    schema: vendorRequestSchema,
    fields: vendorRequestFields,
    examples: {
      full: {
        modelUri: 'art://folder/yandex-art/latest',
        messages: [{ text: 'a red cat', weight: 1 }],
        generationOptions: {
          mimeType: 'image/jpeg',
          seed: '1863',
          aspectRatio: { widthRatio: '2', heightRatio: '1' },
        },
      },
    },
  },
  responses: {
    200: {
      description: 'The operation; nothing of it is done yet.',
      headers: headersSchema(
        ['X-Request-Id', 'X-Operation-Id', 'Location', 'Cache-Control'],
        ['Idempotency-Replayed', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
      ),
      content: { 'application/json': vendorOperationSchema },
      examples: {
        'application/json': {
          running: {
            id: 'op_AZk3v0',
            description: '',
            createdAt: null,
            createdBy: '',
            modifiedAt: null,
            done: false,
            metadata: null,
          },
        },
      },
    },
  },
  reasons: [...createReasons],
});

/** How an operation made by `createVendorImage` is read: at the native path, in the vendor's form. */
export const vendorFormOfOperation = routeContract({
  method: 'get',
  path: '/operations/{id}',
  operationId: 'getYandexOperation',
  access: 'operations:read',
  tag: 'yandex',
  summary: 'How far an image is, in the vendor’s form',
  description: 'Of an operation that was created in that form.',
  params: idParams,
  query: noQuery,
  responses: {
    200: {
      description: 'The operation.',
      headers: headersSchema(['X-Request-Id', 'X-Operation-Id', 'Cache-Control'], ['Retry-After']),
      content: { 'application/json': vendorOperationSchema },
    },
  },
  reasons: [],
});

/** The vendor's own path to cancel. Not in the document: its colon means something else to most generators. */
export const cancelVendorOperation = routeContract({
  ...vendorFormOfOperation,
  path: '/operations/{id}:cancel',
  // The plain form collides with /operations/:id.
  routerPath: '/operations/:id(^[^:]+)::cancel',
  methods: ['GET', 'POST'],
  operationId: 'cancelYandexOperation',
  access: 'images:create',
  errorForm: vendorForm,
  summary: 'Stop making an image, as the vendor’s REST does',
  reasons: ['malformed_json', 'unsupported_media_type', ...operationReasons],
});
