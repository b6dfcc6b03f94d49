import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import fastify from 'fastify';
import {
  GetOperationRequestSchema,
  OperationService,
} from '../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import { methodDefinitionFromDescriptor } from '../src/grpc/service-definition.ts';

// What the gateway is compared with: the least Fastify and the least grpc-js can do for the same bytes.

const json = JSON.stringify({ id: 'x'.repeat(90), text: 'y'.repeat(600) });
const image = Buffer.alloc(Number(process.env['IMAGE_BYTES'] ?? 300_000), 7);
const upstream = process.env['UPSTREAM_ADDRESS'];

const app = fastify({ logger: false });
app.get('/json', async (_request, reply) =>
  reply.header('content-type', 'application/json').send(json),
);
app.post('/json', async (_request, reply) =>
  reply.header('content-type', 'application/json').send(json),
);
app.get('/image', async (_request, reply) =>
  reply.header('content-type', 'image/jpeg').send(image),
);

const definition = methodDefinitionFromDescriptor(OperationService.method.get);
const client =
  upstream === undefined
    ? undefined
    : new Client(new URL(upstream).host, credentials.createInsecure(), {
        'grpc.max_receive_message_length': 64 * 1_048_576,
      });

function unaryCall(): Promise<void> {
  return new Promise((resolve, reject) => {
    client?.makeUnaryRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      create(GetOperationRequestSchema, { operationId: 'bench000000000000000' }),
      new Metadata(),
      { deadline: Date.now() + 10_000 },
      (error) => (error === null ? resolve() : reject(error)),
    );
  });
}

/** Calls with so many in flight. */
async function unaryCalls(count: number, inFlight: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (left > 0) {
        left -= 1;
        await unaryCall();
      }
    }),
  );
}

process.on('message', ({ count, inFlight }: { count: number; inFlight: number }) => {
  void unaryCalls(count, inFlight).then(() => process.send?.({ done: true }));
});
const address = await app.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ address });
