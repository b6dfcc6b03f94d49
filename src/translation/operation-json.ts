import type { Any } from '@bufbuild/protobuf/wkt';
import { grpcCodeName } from '../errors/grpc-code.ts';
import { printableText } from '../text/printable.ts';
import type { Reason } from '../errors/reason.ts';
import { detailsJson } from './details-json.ts';
import type { JsonValue, JsonWithBytes } from './json-value.ts';
import type { ImageFacts } from '../image/sniff.ts';
import type { Failure } from './outcome.ts';
import type { Rendering } from './rendering.ts';

/** The facts that the JSON of an operation shows. A snapshot of `operations/` has this shape. */
export interface OperationFacts {
  readonly id: string;
  readonly seed: bigint;
  readonly description: string;
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly metadata: Any | undefined;
  readonly rendering?: Rendering | undefined;
  readonly state:
    | { readonly status: 'running' }
    | {
        readonly status: 'succeeded';
        readonly image: ImageFacts & {
          readonly byteLength: number;
          readonly modelVersion: string;
        };
      }
    | { readonly status: 'failed' | 'canceled'; readonly failure: Failure };
}

export interface OperationJsonOptions {
  /** Origin of links, without a slash at the end. */
  readonly origin: string;
  /** Token in the links, with which they open without a credential. */
  readonly linkToken?: string | undefined;
  readonly isRetryable: (reason: Reason) => boolean;
}

const messageCharactersMax = 500;

/**
 * An operation in the native JSON.
 *
 * @param image The bytes to put into the response of a succeeded operation; absent: only their link.
 */
export function operationJson(
  facts: OperationFacts,
  options: OperationJsonOptions,
  image?: Uint8Array,
): JsonWithBytes {
  const { state } = facts;
  const self = `${options.origin}/operations/${facts.id}`;
  const link = imageLink(facts.id, options);
  return {
    id: facts.id,
    status: state.status,
    done: state.status !== 'running',
    description: facts.description,
    createdAt: timestampJson(facts.createdAtMs),
    modifiedAt: timestampJson(facts.modifiedAtMs),
    createdBy: facts.createdBy,
    metadata: facts.metadata === undefined ? null : (detailsJson([facts.metadata])[0] ?? null),
    ...(state.status === 'succeeded' && {
      response: {
        modelVersion: state.image.modelVersion,
        mimeType: state.image.mediaType,
        seed: String(facts.seed),
        ...renderingJson(facts.rendering),
        ...(state.image.width !== undefined && { width: state.image.width }),
        ...(state.image.height !== undefined && { height: state.image.height }),
        byteLength: state.image.byteLength,
        url: link,
        ...(image !== undefined && { image }),
      },
    }),
    ...((state.status === 'failed' || state.status === 'canceled') && {
      error: failureJson(state.failure, options),
    }),
    urls: {
      self,
      image: link,
      events: tokenLink(`${self}/events`, options),
      cancel: `${self}/cancel`,
    },
  };
}

function renderingJson(rendering: Rendering | undefined) {
  if (rendering === undefined) return {};
  return { seedApplied: rendering.seedApplied, ignored: rendering.ignored };
}

/** Link to the image. */
export function imageLink(
  id: string,
  { origin, linkToken }: Pick<OperationJsonOptions, 'origin' | 'linkToken'>,
): string {
  return tokenLink(`${origin}/operations/${id}/image`, { linkToken });
}

function tokenLink(link: string, { linkToken }: Pick<OperationJsonOptions, 'linkToken'>): string {
  return linkToken === undefined ? link : `${link}?token=${linkToken}`;
}

function failureJson(failure: Failure, options: OperationJsonOptions): JsonValue {
  return {
    code: failure.code,
    message: publicMessage(failure),
    details: failure.reason === 'upstream_auth' ? [] : detailsJson(failure.details),
    reason: failure.reason,
    retryable: options.isRetryable(failure.reason),
  };
}

/** The upstream's words, bounded and printable. Words about the gateway's own credentials are replaced. */
export function publicMessage(failure: Failure): string {
  if (failure.reason === 'upstream_auth') return 'the upstream refused the gateway';
  const bounded = printableText(failure.message, messageCharactersMax);
  return bounded === '' ? (grpcCodeName(failure.code) ?? `code ${failure.code}`) : bounded;
}

/** RFC 3339 in UTC, with milliseconds only where there are any, as proto3 JSON writes it. */
export function timestampJson(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
