import {
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

/** A grpc-js method definition for a method described by protobuf-es. */
export type MethodDefinitionOf<M extends DescMethod> = MethodDefinition<
  MessageShape<M['input']>,
  MessageShape<M['output']>
>;

/**
 * A Buffer on the same memory: grpc-js calls Buffer methods on what a serializer
 * returns, so a plain Uint8Array fails.
 */
function bufferFromBytes(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A serializer for one message type; created once per method, called per message. */
export function serializerFromSchema<Desc extends DescMessage>(schema: Desc) {
  return (message: MessageShape<Desc>): Buffer => bufferFromBytes(toBinary(schema, message));
}

/**
 * A parser for one message type. `bytes` fields of the result are views on the
 * received frame, not copies. Unknown fields are dropped: otherwise the peer would
 * decide how much memory its message takes here.
 */
export function deserializerFromSchema<Desc extends DescMessage>(schema: Desc) {
  return (bytes: Uint8Array): MessageShape<Desc> =>
    fromBinary(schema, bytes, { readUnknownFields: false });
}

/** The grpc-js definition of one method: its path, serializers and parsers. */
export function methodDefinitionFromDescriptor<M extends DescMethod>(
  method: M,
): MethodDefinitionOf<M> {
  const streamsRequests =
    method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
  const streamsResponses =
    method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: streamsRequests,
    responseStream: streamsResponses,
    requestSerialize: serializerFromSchema<M['input']>(method.input),
    requestDeserialize: deserializerFromSchema<M['input']>(method.input),
    responseSerialize: serializerFromSchema<M['output']>(method.output),
    responseDeserialize: deserializerFromSchema<M['output']>(method.output),
  };
}

/** The grpc-js definition of a whole service, keyed by the method's local name (`generate`). */
export function serviceDefinitionFromDescriptor<S extends DescService>(
  service: S,
): { readonly [K in keyof S['method']]: MethodDefinitionOf<S['method'][K]> } {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, methodDefinitionFromDescriptor(method)]),
  ) as unknown as { readonly [K in keyof S['method']]: MethodDefinitionOf<S['method'][K]> };
}
