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
  summary: 'Create an image with the vendor’s API',
  description:
    'The request and the response of `ImageGenerationAsyncService.Generate` as the vendor’s REST has them. GET `/operations/{id}` has the same form, with the image as base64 in `response.image`. A body sent as `application/x-www-form-urlencoded`, curl’s default, is read as JSON.',
  requestHeaders: z.object({ 'Idempotency-Key': idempotencyKeyHeader }),
  query: noQuery,
  body: {
    schema: vendorRequestSchema,
    fields: vendorRequestFields,
    emptyIsAbsent: true,
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
      description: 'The operation, running.',
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

/** Reads an operation made by `createVendorImage`: at the native path, in the vendor's form. */
export const vendorFormOfOperation = routeContract({
  method: 'get',
  path: '/operations/{id}',
  operationId: 'getYandexOperation',
  access: 'operations:read',
  tag: 'yandex',
  summary: 'Get an operation in the vendor’s form',
  description: 'For operations that were created in that form.',
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

/** The vendor's own path to cancel. Not in the document: most generators can't read its colon. */
export const cancelVendorOperation = routeContract({
  ...vendorFormOfOperation,
  path: '/operations/{id}:cancel',
  // `/operations/:id::cancel` would collide with `/operations/:id`.
  routerPath: '/operations/:id(^[^:]+)::cancel',
  methods: ['GET', 'POST'],
  operationId: 'cancelYandexOperation',
  access: 'images:create',
  errorForm: vendorForm,
  summary: 'Cancel an operation with the vendor’s API',
  reasons: ['malformed_json', 'unsupported_media_type', 'cross_site_refused', ...operationReasons],
});
