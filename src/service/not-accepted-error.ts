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
import type { KeyRefused } from './operation-key.ts';
import type { NotAccepted } from './operations.ts';
import { RpcError, rpcErrorDetail, type RpcErrorDetail } from '../rpc/rpc-error.ts';

const storeGone = 'the folder of the service was removed: it must be restarted';

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
    case 'keys':
      return exhausted(
        { subject: 'service.keys', reason: 'KEYS_FULL' },
        'too many keys of the last seven days are kept',
        60n,
      );
    case 'disk':
      return new RpcError(status.UNAVAILABLE, 'the disk of the service is full', [
        notStarted('DISK_FULL'),
        retryInfo(30n),
      ]);
    case 'store':
      return new RpcError(status.UNAVAILABLE, storeGone, [
        notStarted('STORE_GONE'),
        retryInfo(30n),
      ]);
    case 'stopping':
      return new RpcError(status.UNAVAILABLE, 'the service is about to stop', [
        notStarted('STOPPING'),
        retryInfo(1n),
      ]);
  }
}

/** The status of a Generate that was refused for its key: it spent nothing. */
export function rpcErrorFromKeyRefused({ refusal }: KeyRefused): RpcError {
  switch (refusal) {
    case 'reused':
      return new RpcError(
        status.ALREADY_EXISTS,
        'another request was accepted under this idempotency key',
        [notStarted('KEY_REUSED')],
      );
    case 'settled':
      return new RpcError(
        status.FAILED_PRECONDITION,
        'this idempotency key was settled: nothing will be accepted under it',
        [notStarted('KEY_SETTLED')],
      );
    case 'gone':
      return new RpcError(
        status.NOT_FOUND,
        'the operation of this idempotency key is not kept any more',
      );
  }
}

const otherStore = 'the call is meant for another store than this service has';

/** The status of a Generate that is meant for another store. */
export function generateOfOtherStore(): RpcError {
  return new RpcError(status.FAILED_PRECONDITION, otherStore, [notStarted('OTHER_STORE')]);
}

/** The status of a Settle that is meant for another store: nothing is settled. */
export function settleOfOtherStore(): RpcError {
  return new RpcError(status.FAILED_PRECONDITION, otherStore, [errorInfo('OTHER_STORE')]);
}

/** The status of a Settle whose outcome could not be written: nothing is settled. */
export function rpcErrorFromNotSettled({ bound }: NotAccepted): RpcError {
  const texts: Partial<Record<NotAccepted['bound'], string>> = {
    keys: 'too many keys of the last seven days are kept',
    store: storeGone,
  };
  const text = texts[bound] ?? 'the disk of the service is full';
  return new RpcError(status.UNAVAILABLE, text, [errorInfo('NOT_SETTLED'), retryInfo(10n)]);
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
  return errorInfo(reason, { outcome: 'not_started' });
}

function errorInfo(reason: string, metadata: Record<string, string> = {}): RpcErrorDetail {
  return rpcErrorDetail(
    ErrorInfoSchema,
    create(ErrorInfoSchema, { reason, domain: serviceErrorDomain, metadata }),
  );
}

function retryInfo(seconds: bigint): RpcErrorDetail {
  const retryDelay = create(DurationSchema, { seconds });
  return rpcErrorDetail(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }));
}
