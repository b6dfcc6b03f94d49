import { create, toBinary } from '@bufbuild/protobuf';
import { ImageGenerationResponseSchema } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../gen/yandex/cloud/operation/operation_pb.ts';
import { Refusal } from './refusal.ts';

/** One misbehaviour that a well-formed gRPC server is capable of. */
export type Fault =
  /** Answers with a status. */
  | { readonly kind: 'status'; readonly code: number; readonly message: string }
  /** Answers late. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Ends the operation with an error, which says done or does not. */
  | {
      readonly kind: 'error';
      readonly code: number;
      readonly message: string;
      readonly done: boolean;
    }
  /** Sends these bytes as the picture. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** Sends the result under another type. */
  | { readonly kind: 'type'; readonly typeUrl: string };

export type FaultyMethod = 'Generate' | 'Get' | 'Cancel';

/** Faults on order: each one is used up by one call. */
export class FaultBook {
  readonly #ordered = new Map<FaultyMethod, Fault[]>();

  /** The next calls of a method misbehave, in this order. */
  order(method: FaultyMethod, ...faults: readonly Fault[]): void {
    this.#ordered.set(method, [...(this.#ordered.get(method) ?? []), ...faults]);
  }

  /**
   * The fault for this call, after its delay.
   *
   * @throws Refusal for a fault that is a status.
   */
  async next(method: FaultyMethod): Promise<Fault | undefined> {
    const fault = this.#ordered.get(method)?.shift();
    if (fault?.kind === 'status') throw new Refusal(fault.code, fault.message);
    if (fault?.kind === 'delay') {
      await new Promise<void>((resolve) => setTimeout(resolve, fault.delayMs).unref());
    }
    return fault;
  }
}

/** The operation as a fault makes it. */
export function operationWithFault(operation: Operation, fault: Fault | undefined): Operation {
  switch (fault?.kind) {
    case 'error': {
      const { code, message, done } = fault;
      const value = { $typeName: 'google.rpc.Status' as const, code, message, details: [] };
      return { ...operation, done, result: { case: 'error', value } };
    }
    case 'bytes': {
      const response = create(ImageGenerationResponseSchema, { image: fault.bytes });
      return withResponse(operation, {
        typeUrl: `type.googleapis.com/${ImageGenerationResponseSchema.typeName}`,
        value: toBinary(ImageGenerationResponseSchema, response),
      });
    }
    case 'type':
      return withResponse(operation, { typeUrl: fault.typeUrl, value: new Uint8Array() });
    default:
      return operation;
  }
}

function withResponse(
  operation: Operation,
  response: { readonly typeUrl: string; readonly value: Uint8Array },
): Operation {
  const value = { $typeName: 'google.protobuf.Any' as const, ...response };
  return { ...operation, done: true, result: { case: 'response', value } };
}
