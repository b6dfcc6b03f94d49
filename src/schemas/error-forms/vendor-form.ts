import { z } from 'zod';
import type { Reason } from '../../errors/reason.ts';
import { rpcCodeOf, rpcCodeOfReason, vendorHttpStatus } from '../../errors/vendor-http-status.ts';
import { problemKindOf } from '../problem-catalog.ts';
import type { ErrorForm } from './error-form.ts';

/** Prefix of the type names in `@type`. */
export const typeUrlPrefix = 'type.googleapis.com/';

/** `google.rpc.Status` as proto3 JSON. */
export const rpcStatusSchema = z
  .object({
    code: z.int().meta({ description: 'The gRPC code.', example: 3 }),
    message: z.string(),
    details: z.array(z.looseObject({ '@type': z.string() }).meta({ id: 'StatusDetail' })),
  })
  .meta({
    id: 'RpcStatus',
    description: 'An error as the vendor’s REST writes it: google.rpc.Status.',
  });

const paths = /^\/foundationModels\/|^\/operations\/[^/]+:/;

/** Statuses that say more than the vendor's table, which has one for each gRPC code. */
const ownStatuses: Readonly<Partial<Record<Reason, number>>> = {
  // The table has 501, which blames the server for the caller's mistake.
  method_not_allowed: 405,
  // The table has 404, which does not say that the operation was there.
  operation_expired: 410,
};

function statusOfReason(reason: Reason): number {
  return ownStatuses[reason] ?? vendorHttpStatus(rpcCodeOfReason(reason));
}

/** Errors as the vendor's REST writes them. Violations, and what became of the money, are in the details. */
export const vendorForm: ErrorForm = {
  name: 'vendor',
  mediaType: 'application/json',
  schema: rpcStatusSchema,
  ownsPath: (path) => paths.test(path),
  statusOfReason,
  statusOf: (error) =>
    error.upstream === undefined || error.reason in ownStatuses
      ? statusOfReason(error.reason)
      : vendorHttpStatus(rpcCodeOf(error)),
  bodyOf: (error) => {
    const { reason, detail, upstreamMessage, violations, outcome } = error;
    const fieldViolations = violations.map(
      ({ pointer, parameter, header, detail: description }) => ({
        field: (pointer?.replace(/^#\//, '').replaceAll('/', '.') ?? parameter ?? header) || '',
        description,
      }),
    );
    const badRequest = { '@type': `${typeUrlPrefix}google.rpc.BadRequest`, fieldViolations };
    return {
      code: rpcCodeOf(error),
      message: upstreamMessage ?? detail,
      details: [
        ...(fieldViolations.length > 0 ? [badRequest] : []),
        {
          '@type': `${typeUrlPrefix}google.rpc.ErrorInfo`,
          reason,
          domain: 'image-generation-gateway',
          ...(outcome !== undefined && { metadata: { outcome } }),
        },
      ],
    };
  },
  finalHeaders: {},
  headerNames: [],
  exampleOf: (reason) => ({
    code: rpcCodeOfReason(reason),
    message: problemKindOf(reason).title,
    details: [],
  }),
};
