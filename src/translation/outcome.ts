import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { reasonFromOperationError } from '../errors/grpc-code.ts';
import type { Reason } from '../errors/reason.ts';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import { imageBytesFromBase64Text } from '../image/base64-image.ts';
import { outcomeUnknown, serviceErrorInfo } from '../grpc/service-errors.ts';
import { imageFactsFromBytes, type ImageFacts } from '../image/sniff.ts';

/** A finished image: its encoded bytes, which are a view on the received frame, and the facts read from them. */
export interface Image {
  readonly bytes: Uint8Array;
  readonly facts: ImageFacts;
}

/** The reason why no image was made. `code` is the gRPC number from the upstream. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
  readonly reason: Reason;
}

/** The state of an operation, as the upstream sent it. Only this file reads `done`, `error` and `response`. */
export type Outcome =
  | { readonly status: 'running' }
  | { readonly status: 'succeeded'; readonly image: Image; readonly modelVersion: string }
  | { readonly status: 'failed'; readonly failure: Failure }
  | { readonly status: 'canceled'; readonly failure: Failure };

const internal = 13;
const cancelled = 1;

/** The failure of an operation whose result can't be used, in the gateway's words. */
export function badResult(message: string, reason: Reason = 'bad_upstream_result'): Outcome {
  return { status: 'failed', failure: { code: internal, message, details: [], reason } };
}

/**
 * The outcome of an operation that the upstream sent.
 *
 * An `error` counts even while `done` is false: the upstream sends such
 * operations. A result that is not an image is a failure; nothing is thrown.
 */
export function outcomeFromOperation(
  operation: Operation,
  options: {
    readonly imageBytesMax: number;
    /** Whether the upstream is the service, whose ErrorInfo is believed. */
    readonly isService?: boolean | undefined;
  },
): Outcome {
  const { result } = operation;
  if (result.case === 'error') {
    const { code, message, details } = result.value;
    const ofService = options.isService === true ? reasonFromService(code, details) : undefined;
    const reason = ofService ?? reasonFromOperationError(code, message);
    const failure = { code, message, details, reason };
    return { status: code === cancelled ? 'canceled' : 'failed', failure };
  }
  if (!operation.done) return { status: 'running' };
  if (result.case === undefined)
    return badResult('the upstream says it is done but sent no result');
  return outcomeFromResponse(result.value, options.imageBytesMax);
}

const aborted = 10;

/** What only the service says of a failure. */
function reasonFromService(code: number, details: readonly Any[]): Reason | undefined {
  const isLost = code === aborted && serviceErrorInfo(details)?.reason === outcomeUnknown;
  return isLost ? 'result_lost' : undefined;
}

function outcomeFromResponse(response: Any, imageBytesMax: number): Outcome {
  // Only the part after the last slash names the type; the prefix is any host.
  const typeName = response.typeUrl.slice(response.typeUrl.lastIndexOf('/') + 1);
  if (typeName !== ImageGenerationResponseSchema.typeName) {
    return badResult('the upstream sent a result of another type than an image');
  }
  let message;
  try {
    message = fromBinary(ImageGenerationResponseSchema, response.value, {
      readUnknownFields: false,
    });
  } catch {
    return badResult('the upstream sent a result that can not be read');
  }
  const bytes = imageBytesFromBase64Text(message.image, { imageBytesMax }) ?? message.image;
  if (bytes.byteLength > imageBytesMax) {
    return badResult('the image is larger than this gateway takes', 'upstream_message_too_large');
  }
  const facts = imageFactsFromBytes(bytes);
  if (facts === undefined) {
    return badResult('the upstream sent bytes that are no image of a known kind');
  }
  return { status: 'succeeded', image: { bytes, facts }, modelVersion: message.modelVersion };
}
