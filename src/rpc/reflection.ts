import { create, toBinary, type DescFile, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status, type UntypedHandleCall } from '@grpc/grpc-js';
import {
  ServerReflectionResponseSchema,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../gen/grpc/reflection/v1/reflection_pb.ts';

type MessageResponse = ServerReflectionResponse['messageResponse'];

/**
 * The handler of gRPC server reflection, v1, for these services: it returns the
 * protobuf definitions, so that tools such as grpcurl need no proto files.
 */
export function reflectionHandler(services: readonly DescService[]): UntypedHandleCall {
  const files = withDependencies(services.map((service) => service.file));
  const respond = responder(services, files);
  return ((stream: ReflectionStream) => {
    stream.on('data', (request: ServerReflectionRequest) => {
      stream.write(
        create(ServerReflectionResponseSchema, {
          validHost: request.host,
          originalRequest: request,
          messageResponse: respond(request.messageRequest),
        }),
      );
    });
    stream.on('end', () => stream.end());
    stream.on('error', () => stream.end());
  }) as UntypedHandleCall;
}

interface ReflectionStream {
  on(event: 'data', listener: (request: ServerReflectionRequest) => void): void;
  on(event: 'end' | 'error', listener: () => void): void;
  write(response: ServerReflectionResponse): void;
  end(): void;
}

function responder(services: readonly DescService[], files: ReadonlyMap<string, DescFile>) {
  const bySymbol = new Map(
    [...files.values()].flatMap((file) => symbolsOf(file).map((name) => [name, file] as const)),
  );
  const extensions = [...files.values()].flatMap((file) => file.extensions);
  return (request: ServerReflectionRequest['messageRequest']): MessageResponse => {
    switch (request.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: {
            $typeName: 'grpc.reflection.v1.ListServiceResponse',
            service: services.map(({ typeName }) => ({
              $typeName: 'grpc.reflection.v1.ServiceResponse',
              name: typeName,
            })),
          },
        };
      case 'fileByFilename':
        return fileResponse(files.get(request.value));
      case 'fileContainingSymbol':
        return fileResponse(bySymbol.get(request.value));
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = request.value;
        const found = extensions.find(
          ({ extendee, number }) =>
            extendee.typeName === containingType && number === extensionNumber,
        );
        return fileResponse(found?.file);
      }
      case 'allExtensionNumbersOfType': {
        const numbers = extensions.filter(({ extendee }) => extendee.typeName === request.value);
        if (numbers.length === 0 && !bySymbol.has(request.value)) return notFound;
        return {
          case: 'allExtensionNumbersResponse',
          value: {
            $typeName: 'grpc.reflection.v1.ExtensionNumberResponse',
            baseTypeName: request.value,
            extensionNumber: numbers.map(({ number }) => number),
          },
        };
      }
      default:
        return errorResponse(status.INVALID_ARGUMENT, 'the request is empty');
    }
  };
}

/** A file followed by all that it imports: everything a client needs to use it. */
function fileResponse(file: DescFile | undefined): MessageResponse {
  if (file === undefined) return notFound;
  const bytes = [...withDependencies([file]).values()]
    .toReversed()
    .map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return {
    case: 'fileDescriptorResponse',
    value: { $typeName: 'grpc.reflection.v1.FileDescriptorResponse', fileDescriptorProto: bytes },
  };
}

function errorResponse(errorCode: number, errorMessage: string): MessageResponse {
  return {
    case: 'errorResponse',
    value: { $typeName: 'grpc.reflection.v1.ErrorResponse', errorCode, errorMessage },
  };
}

const notFound = errorResponse(status.NOT_FOUND, 'not found');

/** The files and everything they import, by name, each after its own imports. */
function withDependencies(roots: readonly DescFile[]): Map<string, DescFile> {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile) => {
    if (files.has(file.proto.name)) return;
    file.dependencies.forEach(add);
    files.set(file.proto.name, file);
  };
  roots.forEach(add);
  return files;
}

function symbolsOf(file: DescFile): readonly string[] {
  const messages = (list: DescFile['messages']): string[] =>
    list.flatMap((message) => [
      message.typeName,
      ...message.fields.map((field) => `${message.typeName}.${field.name}`),
      ...message.nestedEnums.map(({ typeName }) => typeName),
      ...messages(message.nestedMessages),
    ]);
  return [
    ...messages(file.messages),
    ...file.enums.map(({ typeName }) => typeName),
    ...file.extensions.map(({ typeName }) => typeName),
    ...file.services.flatMap((service) => [
      service.typeName,
      ...service.methods.map((method) => `${service.typeName}.${method.name}`),
    ]),
  ];
}
