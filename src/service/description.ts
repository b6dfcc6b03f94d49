import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  DescribeResponseSchema,
  type DescribeResponse,
  type ModelSchema,
} from '../gen/image_generation_gateway/v1/keyed_operations_pb.ts';
import type { ModelCard } from '../renderers/renderer.ts';

/** What the service says about itself: which store it has, and what its models can do. */
export function description(storeId: string, models: readonly ModelCard[]): DescribeResponse {
  return create(DescribeResponseSchema, { storeId, models: models.map(modelFromCard) });
}

function modelFromCard(card: ModelCard): MessageInitShape<typeof ModelSchema> {
  const { name, sizes, mediaTypes, promptCharactersMax, seedMax, hasNegativePrompts } = card;
  return {
    name,
    sizes:
      sizes.kind === 'list'
        ? { case: 'sizeList', value: { sizes: [...sizes.sizes] } }
        : {
            case: 'sizeArea',
            value: {
              pixels: BigInt(sizes.areaPixels),
              sidePixels: sizes.sidePixels,
              ratioMax: sizes.ratioMax,
            },
          },
    mediaTypes: [...mediaTypes],
    promptCharactersMax,
    ...(seedMax !== undefined && { seedMax }),
    hasNegativePrompts,
  };
}
