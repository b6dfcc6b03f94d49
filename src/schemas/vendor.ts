import { z } from 'zod';
import { rpcStatusSchema } from './error-forms/vendor-form.ts';
import { imageRequestFields, imageRequestSchema } from './images.ts';

const { modelUri, messages, generationOptions } = imageRequestSchema.shape;

/** The vendor's `ImageGenerationRequest` as proto3 JSON. */
export const vendorRequestSchema = z
  .strictObject({
    modelUri: modelUri.unwrap(),
    messages: messages.unwrap(),
    generationOptions,
  })
  .meta({ id: 'VendorImageRequest', description: 'ImageGenerationRequest as proto3 JSON.' });

export const vendorRequestFields = {
  modelUri: true,
  messages: imageRequestFields['messages'] ?? true,
  generationOptions: imageRequestFields['generationOptions'] ?? true,
} as const;

const timestamp = z
  .unknown()
  .meta({ description: 'RFC 3339, or null where the upstream does not say it.' });

/** The vendor's `yandex.cloud.operation.Operation` as its REST writes it. */
export const vendorOperationSchema = z
  .object({
    id: z.string().meta({ example: 'op_AZk3v0' }),
    description: z.string(),
    createdAt: timestamp,
    createdBy: z.string(),
    modifiedAt: timestamp,
    done: z.boolean(),
    metadata: z
      .unknown()
      .meta({ description: 'The metadata of a foreign upstream as proto3 JSON, or null.' }),
    error: rpcStatusSchema.optional(),
    response: z
      .object({
        '@type': z.string(),
        image: z.string().meta({ format: 'byte', description: 'The image as base64.' }),
        modelVersion: z.string(),
      })
      .meta({ id: 'VendorImageResponse', description: 'ImageGenerationResponse as proto3 JSON.' })
      .optional(),
  })
  .meta({ id: 'VendorOperation', description: 'An operation in the form of the vendor’s REST.' });
