import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status, type Server } from '@grpc/grpc-js';
import {
  Health,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  type HealthCheckRequest,
} from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ApiEndpointSchema } from '../gen/yandex/cloud/endpoint/api_endpoint_pb.ts';
import {
  ApiEndpointService,
  ListApiEndpointsResponseSchema,
  type GetApiEndpointRequest,
  type ListApiEndpointsRequest,
} from '../gen/yandex/cloud/endpoint/api_endpoint_service_pb.ts';
import {
  CreateIamTokenResponseSchema,
  IamTokenService,
  type CreateIamTokenRequest,
} from '../gen/yandex/cloud/iam/v1/iam_token_service_pb.ts';
import { ImageGenerationAsyncService } from '../gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { OperationService } from '../gen/yandex/cloud/operation/operation_service_pb.ts';
import { serviceDefinitionFromDescriptor } from '../grpc/service-definition.ts';
import type { CredentialVerifier } from './credential-verifier.ts';
import { reflectionHandler } from './reflection.ts';
import { RpcError } from './rpc-error.ts';
import { unary, type Call } from './unary.ts';

const services = [
  ImageGenerationAsyncService,
  OperationService,
  IamTokenService,
  ApiEndpointService,
  Health,
  ServerReflection,
];

/** Adds the vendor's services for tokens and endpoints. */
export function addVendorServices(
  server: Server,
  verifier: CredentialVerifier,
  nowMs: () => number,
): void {
  server.addService(serviceDefinitionFromDescriptor(IamTokenService), {
    create: unary(async (call: Call<CreateIamTokenRequest>) => {
      const { identity } = call.request;
      if (identity.case !== 'jwt') {
        throw new RpcError(status.UNIMPLEMENTED, 'only JWT assertions are exchanged here');
      }
      const { token, expiresAtMs } = verifier.exchange(identity.value, nowMs());
      const expiresAt = timestampFromMs(expiresAtMs);
      return create(CreateIamTokenResponseSchema, { iamToken: token, expiresAt });
    }),
  });
  // The address that the client used, which is one that leads here from its network.
  const endpoints = (call: Call<unknown>) =>
    ['ai-foundation-models', 'operation', 'iam', 'endpoint'].map((id) =>
      create(ApiEndpointSchema, { id, address: call.getHost() }),
    );
  server.addService(serviceDefinitionFromDescriptor(ApiEndpointService), {
    list: unary(async (call: Call<ListApiEndpointsRequest>) =>
      create(ListApiEndpointsResponseSchema, { endpoints: endpoints(call) }),
    ),
    get: unary(async (call: Call<GetApiEndpointRequest>) => {
      const found = endpoints(call).find(({ id }) => id === call.request.apiEndpointId);
      if (found === undefined) throw new RpcError(status.NOT_FOUND, 'no such endpoint');
      return found;
    }),
  });
}

/** Adds health and reflection, which tools expect of any gRPC server. */
export function addStandardServices(server: Server): void {
  const serving = () =>
    create(HealthCheckResponseSchema, { status: HealthCheckResponse_ServingStatus.SERVING });
  const isKnown = (name: string) =>
    name === '' || services.some(({ typeName }) => typeName === name);
  server.addService(serviceDefinitionFromDescriptor(Health), {
    check: unary(async (call: Call<HealthCheckRequest>) => {
      if (!isKnown(call.request.service)) throw new RpcError(status.NOT_FOUND, 'no such service');
      return serving();
    }),
    watch: (stream: { request: { service: string }; write(message: unknown): void }) => {
      const unknown = { status: HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN };
      const known = isKnown(stream.request.service);
      stream.write(known ? serving() : create(HealthCheckResponseSchema, unknown));
    },
  });
  server.addService(serviceDefinitionFromDescriptor(ServerReflection), {
    serverReflectionInfo: reflectionHandler(services),
  });
}
