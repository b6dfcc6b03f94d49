import { createFileRegistry, fromBinary, create } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { methodDefinitionFromDescriptor } from '../../src/grpc/service-definition.ts';

let emulator: Emulator;
let client: Client;

beforeAll(async () => {
  emulator = await startEmulator();
  client = new Client(new URL(emulator.address).host, credentials.createInsecure());
});

afterAll(async () => {
  client.close();
  await emulator.close();
});

const definition = methodDefinitionFromDescriptor(ServerReflection.method.serverReflectionInfo);

function ask(
  messageRequest: ServerReflectionRequest['messageRequest'],
): Promise<ServerReflectionResponse['messageResponse']> {
  const stream: ClientDuplexStream<ServerReflectionRequest, ServerReflectionResponse> =
    client.makeBidiStreamRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
    );
  return new Promise((resolve, reject) => {
    stream.on('data', (response: ServerReflectionResponse) => resolve(response.messageResponse));
    stream.on('error', reject);
    stream.write(create(ServerReflectionRequestSchema, { messageRequest }));
    stream.end();
  });
}

const operationService = 'yandex.cloud.operation.OperationService';

describe('reflection', () => {
  it('lists the services', async () => {
    const response = await ask({ case: 'listServices', value: '' });
    const names =
      response.case === 'listServicesResponse'
        ? response.value.service.map(({ name }) => name)
        : [];
    expect(names).toContain(operationService);
    expect(names).toHaveLength(6);
  });

  it.each([
    { case: 'fileContainingSymbol', value: operationService },
    { case: 'fileContainingSymbol', value: `${operationService}.Get` },
    { case: 'fileByFilename', value: 'yandex/cloud/operation/operation_service.proto' },
  ] as const)(
    'returns a file with everything a client needs to use it: %o',
    async (messageRequest) => {
      const response = await ask(messageRequest);
      if (response.case !== 'fileDescriptorResponse') throw new Error(String(response.case));
      const file = response.value.fileDescriptorProto.map((bytes) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      );
      const registry = createFileRegistry(
        create(FileDescriptorSetSchema, { file: file.toReversed() }),
      );
      expect(registry.getService(operationService)?.methods.map(({ name }) => name)).toEqual([
        'Get',
        'Cancel',
      ]);
    },
  );

  it('finds extensions', async () => {
    const containingType = 'google.protobuf.MethodOptions';
    const numbers = await ask({ case: 'allExtensionNumbersOfType', value: containingType });
    expect(numbers).toMatchObject({
      value: { extensionNumber: expect.arrayContaining([72295728, 87334]) as number[] },
    });
    const file = await ask({
      case: 'fileContainingExtension',
      value: {
        $typeName: 'grpc.reflection.v1.ExtensionRequest',
        containingType,
        extensionNumber: 87334,
      },
    });
    expect(file.case).toBe('fileDescriptorResponse');
  });

  it.each([
    { case: 'fileByFilename', value: 'nothing.proto' },
    { case: 'fileContainingSymbol', value: 'no.such.Thing' },
    { case: 'allExtensionNumbersOfType', value: 'no.such.Type' },
  ] as const)('does not find %o', async (messageRequest) => {
    expect(await ask(messageRequest)).toMatchObject({
      case: 'errorResponse',
      value: { errorCode: 5 },
    });
  });
});
