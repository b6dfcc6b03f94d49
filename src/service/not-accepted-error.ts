import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import {
  BadRequestSchema,
  ErrorInfoSchema,
  QuotaFailureSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb.ts';
import type { RendererError } from '../renderers/renderer.ts';
import { serviceErrorDomain } from '../grpc/service-errors.ts';
import type { NotAccepted } from './operations.ts';
import { RpcError, rpcErrorDetail, type RpcErrorDetail } from '../rpc/rpc-error.ts';

/** The status of a Generate that was refused before anything was written: nothing was spent. */
export function rpcErrorFromNotAccepted({ bound, retryAfterMs = 1_000 }: NotAccepted): RpcError {
  const retryS = BigInt(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  switch (bound) {
    case 'backend':
      return new RpcError(status.UNAVAILABLE, 'the image model can not be used for now', [
        notStarted('BACKEND_SHUT'),
        retryInfo(retryS),
      ]);
    case 'day':
      return exhausted(
        { subject: 'service.images_per_day', reason: 'DAY_USED_UP' },
        'the images of this day are used up: try again tomorrow (UTC)',
        retryS,
      );
    case 'queue':
      return exhausted(
        { subject: 'service.queue', reason: 'QUEUE_FULL' },
        'the queue is full: try again later',
        10n,
      );
    case 'share':
      return exhausted(
        { subject: 'service.queue.share', reason: 'QUEUE_FULL' },
        'your share of the queue is used up: try again later',
        10n,
      );
    case 'disk':
      return new RpcError(status.UNAVAILABLE, 'the disk of the service is full', [
        notStarted('DISK_FULL'),
        retryInfo(30n),
      ]);
    case 'stopping':
      return new RpcError(status.UNAVAILABLE, 'the service is about to stop', [
        notStarted('STOPPING'),
        retryInfo(1n),
      ]);
  }
}

/** The status of a request that the renderer can't take. */
export function rpcErrorFromRefusal({ message, options: { field } }: RendererError): RpcError {
  const details = [notStarted('REQUEST_REFUSED')];
  if (field !== undefined) {
    const violation = { field, description: message };
    details.push(
      rpcErrorDetail(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [violation] })),
    );
  }
  return new RpcError(status.INVALID_ARGUMENT, message, details);
}

function exhausted(
  { subject, reason }: { readonly subject: string; readonly reason: string },
  message: string,
  retryS: bigint,
): RpcError {
  const failure = create(QuotaFailureSchema, { violations: [{ subject, description: message }] });
  return new RpcError(status.RESOURCE_EXHAUSTED, message, [
    notStarted(reason),
    rpcErrorDetail(QuotaFailureSchema, failure),
    retryInfo(retryS),
  ]);
}

function notStarted(reason: string): RpcErrorDetail {
  const metadata = { outcome: 'not_started' };
  return rpcErrorDetail(
    ErrorInfoSchema,
    create(ErrorInfoSchema, { reason, domain: serviceErrorDomain, metadata }),
  );
}

function retryInfo(seconds: bigint): RpcErrorDetail {
  const retryDelay = create(DurationSchema, { seconds });
  return rpcErrorDetail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
}
