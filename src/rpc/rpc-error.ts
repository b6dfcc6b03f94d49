import { create, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { Metadata, type status as Status } from '@grpc/grpc-js';
import { StatusSchema } from '../gen/google/rpc/status_pb.ts';

/** An error that grpc-js sends to the client: code, message and typed details. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: Status;
  readonly details: string;
  readonly metadata: Metadata;

  constructor(code: Status, message: string, details: readonly RpcErrorDetail[] = []) {
    super(message);
    this.code = code;
    this.details = message;
    this.metadata = new Metadata();
    if (details.length === 0) return;
    const typed = details.map(({ typeName, value }) =>
      create(AnySchema, { typeUrl: `type.googleapis.com/${typeName}`, value }),
    );
    const full = create(StatusSchema, { code, message, details: typed });
    this.metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, full)));
  }
}

/** One serialized google.rpc detail of an error. */
export interface RpcErrorDetail {
  readonly typeName: string;
  readonly value: Uint8Array;
}

/** A message of google/rpc/error_details.proto in the form of an error's details. */
export function rpcErrorDetail<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): RpcErrorDetail {
  return { typeName: schema.typeName, value: toBinary(schema, message) };
}
