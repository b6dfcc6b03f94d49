import type { ImageGenerationRequest } from '../../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { NamedByCaller } from '../../upstream/call/status-error.ts';
import type { OperationForm } from '../operation-id.ts';
import type { Requester } from './admission.ts';
import type { KeyedRequest } from './keyed-create.ts';

/** One image to be made. */
export interface CreateRequest {
  readonly generate: ImageGenerationRequest;
  /** What of it the caller itself named. Absent: nothing. */
  readonly namedByCaller?: NamedByCaller | undefined;
  readonly requester: Requester;
  /** Absent: native. */
  readonly form?: OperationForm;
  /** Present where the caller sent a key. */
  readonly idempotency?: IdempotencyScope | undefined;
}

/** What makes a create the same as an earlier one. */
export type IdempotencyScope = KeyedRequest;
