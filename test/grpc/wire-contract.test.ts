import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  ImageGenerationAsyncService,
  ImageGenerationRequestSchema,
} from '../../src/gen/yandex/cloud/ai/foundation_models/v1/image_generation/image_generation_service_pb.ts';
import { ApiEndpointService } from '../../src/gen/yandex/cloud/endpoint/api_endpoint_service_pb.ts';
import { IamTokenService } from '../../src/gen/yandex/cloud/iam/v1/iam_token_service_pb.ts';
import { OperationService } from '../../src/gen/yandex/cloud/operation/operation_service_pb.ts';
import {
  methodDefinitionFromDescriptor,
  serviceDefinitionFromDescriptor,
} from '../../src/grpc/service-definition.ts';

describe('the wire contract', () => {
  it('has the paths of the vendor', () => {
    const services = [
      ImageGenerationAsyncService,
      OperationService,
      IamTokenService,
      ApiEndpointService,
    ];
    const paths = services.flatMap((service) =>
      service.methods.map((method) => methodDefinitionFromDescriptor(method).path),
    );
    expect(paths).toEqual([
      '/yandex.cloud.ai.foundation_models.v1.image_generation.ImageGenerationAsyncService/Generate',
      '/yandex.cloud.operation.OperationService/Get',
      '/yandex.cloud.operation.OperationService/Cancel',
      '/yandex.cloud.iam.v1.IamTokenService/Create',
      '/yandex.cloud.endpoint.ApiEndpointService/Get',
      '/yandex.cloud.endpoint.ApiEndpointService/List',
    ]);
  });

  it('writes a request as the vendor’s own SDK does', () => {
    const request = create(ImageGenerationRequestSchema, {
      modelUri: 'art://b1g/yandex-art/latest',
      messages: [{ text: 'cat', weight: -1.5 }],
      generationOptions: {
        mimeType: 'image/jpeg',
        seed: 2n ** 53n,
        aspectRatio: { widthRatio: 2n, heightRatio: 1n },
      },
    });
    const { generate } = serviceDefinitionFromDescriptor(ImageGenerationAsyncService);
    const golden =
      '0a1b6172743a2f2f6231672f79616e6465782d6172742f6c6174657374120e0a0363617411000000000000f8bf1a1b0a0a696d6167652f6a7065671080808080808080101a0408021001';
    expect(generate.requestSerialize(request).toString('hex')).toBe(golden);
    expect(generate.requestDeserialize(Buffer.from(golden, 'hex'))).toEqual(request);
  });

  it('parses bytes as a view on the frame, not as a copy', () => {
    const { get } = serviceDefinitionFromDescriptor(OperationService);
    const frame = Buffer.from('0a026f704a0b0a0474797065120301 0203'.replace(' ', ''), 'hex');
    const operation = get.responseDeserialize(frame);
    const value = operation.result.case === 'response' ? operation.result.value.value : undefined;
    expect([...(value ?? [])]).toEqual([1, 2, 3]);
    expect(value?.buffer).toBe(frame.buffer);
  });

  it('serializes to a Buffer', () => {
    const { generate } = serviceDefinitionFromDescriptor(ImageGenerationAsyncService);
    const request = create(ImageGenerationRequestSchema, { modelUri: 'art://f/m' });
    const bytes = generate.requestSerialize(request);
    expect(Buffer.isBuffer(bytes)).toBe(true);
    expect(Buffer.compare(bytes, toBinary(ImageGenerationRequestSchema, request))).toBe(0);
  });
});
