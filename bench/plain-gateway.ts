import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type MethodDefinition } from '@grpc/grpc-js';
import fastify from 'fastify';
import {
  ImageGenerationAsyncService,
  ImageGenerationRequestSchema,
  ImageGenerationResponseSchema,
} from '../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import type { Operation } from '../src/gen/yandex/cloud/operation/operation_pb.ts';
import {
  GetOperationRequestSchema,
  OperationService,
} from '../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { methodDefinitionFromDescriptor } from '../src/grpc/service-definition.ts';

// A transcoder the plain way: each request of a client is one call of the upstream. Its clients poll every second.

const client = new Client(
  new URL(process.env['UPSTREAM_ADDRESS'] ?? '').host,
  credentials.createInsecure(),
  {
    'grpc.max_receive_message_length': 64 * 1_048_576,
  },
);
const generate = methodDefinitionFromDescriptor(ImageGenerationAsyncService.method.generate);
const get = methodDefinitionFromDescriptor(OperationService.method.get);

function call<Request>(
  method: MethodDefinition<Request, Operation>,
  request: Request,
): Promise<Operation> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      { deadline: Date.now() + 10_000 },
      (error, operation) =>
        operation === undefined ? reject(error ?? new Error('empty')) : resolve(operation),
    );
  });
}

const app = fastify({ logger: false });
app.post<{ Body: { prompt: string } }>('/v1/images', async ({ body }, reply) => {
  const request = create(ImageGenerationRequestSchema, {
    messages: [{ text: body.prompt, weight: 1 }],
  });
  const { id } = await call(generate, request);
  return reply.code(202).send({ id, done: false });
});
const read = (operationId: string) => call(get, create(GetOperationRequestSchema, { operationId }));
app.get<{ Params: { id: string } }>('/operations/:id', async ({ params }) => {
  const { id, done } = await read(params.id);
  return { id, done };
});
app.get<{ Params: { id: string } }>('/operations/:id/image', async ({ params }, reply) => {
  const { result } = await read(params.id);
  const response =
    result.case === 'response' ? anyUnpack(result.value, ImageGenerationResponseSchema) : undefined;
  return reply.header('content-type', 'image/jpeg').send(Buffer.from(response?.image ?? []));
});
const address = await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ address });
