import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import { RpcError, type RpcErrorDetail } from '../rpc/rpc-error.ts';

/** One way in which a well-formed gRPC server can misbehave. */
export type Fault =
  /** Ends the call with a status; with `afterwards`, after the call has taken effect and was billed. */
  | {
      readonly kind: 'status';
      readonly code: number;
      readonly message: string;
      readonly details?: readonly RpcErrorDetail[];
      readonly afterwards?: boolean;
    }
  /** Delays the response. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Returns the operation with an error, done or not. */
  | {
      readonly kind: 'error';
      readonly code: number;
      readonly message: string;
      readonly done: boolean;
    }
  /** Returns these bytes as the image. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Returns the image as base64 text. */
  | { readonly kind: 'base64' }
  /** Returns the result under another type. */
  | { readonly kind: 'type'; readonly typeUrl: string };

export type FaultyMethod = 'Generate' | 'Get' | 'Cancel';

/** Faults for the next calls: each is used by one call. */
export class FaultInjector {
  readonly #faults = new Map<FaultyMethod, Fault[]>();

  /** Makes the next calls of a method fail, in this order. */
  inject(method: FaultyMethod, ...faults: readonly Fault[]): void {
    this.#faults.set(method, [...(this.#faults.get(method) ?? []), ...faults]);
  }

  /**
   * Makes a call with the next fault, if there is one.
   *
   * @throws RpcError for a fault that is a status.
   */
  async apply(method: FaultyMethod, call: () => Promise<Operation>): Promise<Operation> {
    const fault = this.#faults.get(method)?.shift();
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
