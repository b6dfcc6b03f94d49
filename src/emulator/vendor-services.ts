import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { status, type Server } from '@grpc/grpc-js';
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
import { RpcError } from '../rpc/rpc-error.ts';
import { unary, type Call } from './unary-method.ts';

/** Every service of the emulator that is not a standard one. */
export const vendorServices = [
  ImageGenerationAsyncService,
  OperationService,
  IamTokenService,
  ApiEndpointService,
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
