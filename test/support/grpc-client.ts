import type { DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { methodDefinitionFromDescriptor } from '../../src/grpc/service-definition.ts';

/** A plain grpc-js client, without any code of the gateway's upstream client. */
export interface GrpcClient {
  readonly client: Client;
  call<Method extends DescMethodUnary>(
    method: Method,
    request: MessageInitShape<Method['input']>,
    headers?: Record<string, string>,
  ): Promise<MessageShape<Method['output']>>;
}

/**
 * Connects to `http://host:port`, or to `https://…` with a CA.
 *
 * @param always Metadata of every call.
 */
export function connectGrpc(
  address: string,
  caPem?: string,
  always: Readonly<Record<string, string>> = {},
): GrpcClient {
  const { host } = new URL(address);
  const channel =
    caPem === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(caPem));
  const client = new Client(host, channel, { 'grpc.max_receive_message_length': 32 * 1_048_576 });
  return {
    client,
    call(method, request, headers = {}) {
      const definition = methodDefinitionFromDescriptor(method);
      const metadata = new Metadata();
      for (const [name, value] of Object.entries({ ...always, ...headers })) {
        metadata.set(name, value);
      }
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          create(method.input, request as never) as never,
          metadata,
          { deadline: Date.now() + 10_000 },
          (error: ServiceError | null, response) => {
            if (error === null && response !== undefined) resolve(response as never);
            else reject(error ?? new Error('no response'));
          },
        );
      });
    },
  };
}
