import { z } from 'zod';
import { problemCodeSchema } from './problem-document.ts';

const timestamp = z.string().meta({ format: 'date-time', example: '2026-11-23T10:00:14Z' });
const url = z.string().meta({ format: 'uri' });

const operationError = z
  .object({
    code: z.int().meta({ description: 'The gRPC code.', example: 3 }),
    message: z.string().meta({ description: 'The upstream’s words, for people.' }),
    details: z
      .array(z.looseObject({ '@type': z.string() }).meta({ id: 'ErrorDetail' }))
      .meta({ description: 'google.rpc details as proto3 JSON.' }),
    reason: problemCodeSchema,
    retryable: z.boolean().meta({ description: 'Whether a new create may succeed.' }),
  })
  .meta({ id: 'OperationError', description: 'Why no image was made.' });

const operationResponse = z
  .object({
    modelVersion: z
      .string()
      .meta({ description: 'Often empty: the upstream does not always say it.' }),
    mimeType: z
      .string()
      .meta({ description: 'Read from the bytes, never from the request.', example: 'image/jpeg' }),
    seed: z.string().meta({
      description:
        'The seed that the upstream was given. It says nothing about the image where `seedApplied` is false.',
      format: 'int64',
      example: '1863',
    }),
    seedApplied: z.boolean().optional().meta({
      description:
        'Whether the image depends on the seed; absent where the upstream does not say it.',
    }),
    ignored: z
      .array(z.string())
      .optional()
      .meta({
        description:
          'Fields of the request that the model can’t honour; absent where the upstream does not say it.',
        example: ['negativePrompt'],
      }),
    width: z.int().optional().meta({ description: 'Pixels.', example: 1344 }),
    height: z.int().optional().meta({ description: 'Pixels.', example: 768 }),
    byteLength: z.int().meta({ example: 889288 }),
    url: url.meta({ description: 'Address of the bytes.' }),
    image: z.string().optional().meta({
      description: 'The bytes as base64, only with ?include=image.',
      format: 'byte',
    }),
  })
  .meta({ id: 'ImageResult', description: 'The finished image.' });

const operationUrls = z
  .object({ self: url, image: url, events: url, cancel: url })
  .meta({ id: 'OperationUrls', description: 'Addresses of the operation and what belongs to it.' });

/** Fields that an operation has in every state. */
const fields = {
  id: z.string().meta({ example: 'op_AZk3v0…' }),
  description: z.string(),
  createdAt: timestamp,
  modifiedAt: timestamp,
  createdBy: z.string(),
  metadata: z.unknown().meta({
    description: 'The metadata of a foreign upstream as proto3 JSON, or null.',
  }),
  urls: operationUrls,
};

const status = (name: 'running' | 'succeeded' | 'failed' | 'canceled') =>
  z.literal(name).meta({ description: 'Closed list: running, succeeded, failed, canceled.' });

/** Not a literal: some generators can't read a constant boolean. */
const done = z.boolean().meta({ description: 'Whether `status` is any other than `running`.' });

const running = z
  .object({ ...fields, status: status('running'), done })
  .meta({ id: 'RunningOperation', description: 'An operation whose image is still being made.' });

const succeeded = z
  .object({
    ...fields,
    status: status('succeeded'),
    done,
    response: operationResponse,
  })
  .meta({ id: 'SucceededOperation', description: 'An operation whose image is ready.' });

const failed = z
  .object({ ...fields, status: status('failed'), done, error: operationError })
  .meta({ id: 'FailedOperation', description: 'An operation whose image could not be made.' });

const canceled = z
  .object({ ...fields, status: status('canceled'), done, error: operationError })
  .meta({ id: 'CanceledOperation', description: 'An operation that was canceled.' });

/** The JSON of an operation. */
export const operationSchema = z
  .discriminatedUnion('status', [running, succeeded, failed, canceled])
  .meta({
    id: 'Operation',
    description: 'One image being made. `status` tells the variants apart.',
  });

/** The JSON of an operation as one flat object, for generators of OpenAPI 3.0 that know no unions. */
export const flatOperationSchema = z
  .object({
    ...fields,
    status: z.enum(['running', 'succeeded', 'failed', 'canceled']),
    done: z.boolean(),
    response: operationResponse.optional(),
    error: operationError.optional(),
  })
  .meta({
    id: 'Operation',
    description:
      'One image being made. `response` when succeeded, `error` when failed or canceled.',
  });

export type OperationJson = z.output<typeof operationSchema>;
