import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { typeUrlPrefix } from '../schemas/error-forms/vendor-form.ts';
import { detailsJson } from './details-json.ts';
import type { JsonWithBytes } from './json-value.ts';
import { publicMessage, timestampJson, type OperationFacts } from './operation-json.ts';

/** The facts that the vendor's JSON of an operation shows. */
export interface VendorFacts extends OperationFacts {
  /** Times that the upstream itself sent. */
  readonly upstreamTimes: { readonly createdAtMs?: number; readonly modifiedAtMs?: number };
}

/**
 * An operation in the JSON of the vendor's REST: null for what the upstream does
 * not say, no key for an absent result.
 *
 * @param image The bytes that a succeeded operation holds as base64.
 */
export function vendorOperationJson(facts: VendorFacts, image?: Uint8Array): JsonWithBytes {
  const { state, upstreamTimes } = facts;
  const timeJson = (ms: number | undefined) => (ms === undefined ? null : timestampJson(ms));
  return {
    id: facts.id,
    description: facts.description,
    createdAt: timeJson(upstreamTimes.createdAtMs),
    createdBy: facts.createdBy,
    modifiedAt: timeJson(upstreamTimes.modifiedAtMs),
    done: state.status !== 'running',
    metadata: facts.metadata === undefined ? null : (detailsJson([facts.metadata])[0] ?? null),
    ...(state.status === 'succeeded' && {
      response: {
        '@type': typeUrlPrefix + ImageGenerationResponseSchema.typeName,
        image: image ?? '',
        modelVersion: state.image.modelVersion,
      },
    }),
    ...((state.status === 'failed' || state.status === 'canceled') && {
      error: {
        code: state.failure.code,
        message: publicMessage(state.failure),
        details: state.failure.reason === 'upstream_auth' ? [] : detailsJson(state.failure.details),
      },
    }),
  };
}
