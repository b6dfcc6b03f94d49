import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import { RpcError, type RpcErrorDetail } from './rpc-error.ts';

/** One misbehaviour that a well-formed gRPC server is capable of. */
export type Fault =
  /** Answers with a status; `afterwards` when the call has taken effect, and has been billed. */
  | {
      readonly kind: 'status';
      readonly code: number;
      readonly message: string;
      readonly details?: readonly RpcErrorDetail[];
      readonly afterwards?: boolean;
    }
  /** Answers late. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Ends the operation with an error, which says done or does not. */
  | {
      readonly kind: 'error';
      readonly code: number;
      readonly message: string;
      readonly done: boolean;
    }
  /** Sends these bytes as the image. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Sends the image as base64 text. */
  | { readonly kind: 'base64' }
  /** Sends the result under another type. */
  | { readonly kind: 'type'; readonly typeUrl: string };

export type FaultyMethod = 'Generate' | 'Get' | 'Cancel';

/** Faults on order: each one is used up by one call. */
export class FaultInjector {
  readonly #ordered = new Map<FaultyMethod, Fault[]>();

  /** The next calls of a method misbehave, in this order. */
  inject(method: FaultyMethod, ...faults: readonly Fault[]): void {
    this.#ordered.set(method, [...(this.#ordered.get(method) ?? []), ...faults]);
  }

  /**
   * Makes a call with the fault that is due, if one is.
   *
   * @throws Refusal for a fault that is a status.
   */
  async apply(method: FaultyMethod, call: () => Promise<Operation>): Promise<Operation> {
    const fault = this.#ordered.get(method)?.shift();
    if (fault?.kind === 'delay') {
      await new Promise<void>((resolve) => setTimeout(resolve, fault.delayMs).unref());
    }
    if (fault?.kind !== 'status') return operationWithFault(await call(), fault);
    if (fault.afterwards === true) await call();
    throw new RpcError(fault.code, fault.message, fault.details);
  }
}

const resultTypeUrl = `type.googleapis.com/${ImageGenerationResponseSchema.typeName}`;

function operationWithFault(operation: Operation, fault: Fault | undefined): Operation {
  switch (fault?.kind) {
    case 'error': {
      const { code, message, done } = fault;
      const value = { $typeName: 'google.rpc.Status' as const, code, message, details: [] };
      return { ...operation, done, result: { case: 'error', value } };
    }
    case 'bytes':
      return withResponse(operation, resultTypeUrl, fault.bytes);
    case 'base64': {
      if (operation.result.case !== 'response') return operation;
      const { image } = fromBinary(ImageGenerationResponseSchema, operation.result.value.value);
      const text = Buffer.from(image).toString('base64');
      return withResponse(operation, resultTypeUrl, Buffer.from(text));
    }
    case 'type':
      return withResponse(operation, fault.typeUrl, new Uint8Array());
    default:
      return operation;
  }
}

function withResponse(operation: Operation, typeUrl: string, image: Uint8Array): Operation {
  const response = create(ImageGenerationResponseSchema, { image });
  const value = {
    $typeName: 'google.protobuf.Any' as const,
    typeUrl,
    value: toBinary(ImageGenerationResponseSchema, response),
  };
  return { ...operation, done: true, result: { case: 'response', value } };
}
