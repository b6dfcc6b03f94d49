import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { ImageGenerationMetadataSchema } from '../gen/image_generation_gateway/v1/metadata_pb.ts';
import { cheapPart } from '../grpc/wire-fields.ts';
import { cutText } from '../text/cut-text.ts';

/** What the service's own metadata says of how an image is made. No other upstream says it. */
export interface Rendering {
  /** Whether the image depends on the seed. */
  readonly seedApplied: boolean;
  /** Fields of the request without effect, in camelCase: `negativePrompt`. */
  readonly ignored: readonly string[];
}

const limits = { bytesMax: 65_536, fieldsMax: 100 };
const ignoredMax = 16;
const nameCharactersMax = 64;

/** Whether an operation's metadata is the service's own, which callers are never shown as it is. */
export function isServiceMetadata({ typeUrl }: Any): boolean {
  return typeUrl.endsWith(`/${ImageGenerationMetadataSchema.typeName}`);
}

/** @returns Undefined for metadata of another type, or that can't be read. */
export function renderingFromMetadata(metadata: Any): Rendering | undefined {
  if (!isServiceMetadata(metadata)) return undefined;
  try {
    const { seedApplied, ignored } = fromBinary(
      ImageGenerationMetadataSchema,
      cheapPart(metadata.value, limits),
      { readUnknownFields: false },
    );
    return { seedApplied, ignored: ignored.slice(0, ignoredMax).map(camelName) };
  } catch {
    return undefined;
  }
}

function camelName(field: string): string {
  return cutText(field, nameCharactersMax)
    .replace(/\W+/g, '')
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Names of fields that have no effect where a caller sends them, in camelCase. */
export function fieldsWithoutEffect(rendering: Rendering | undefined): readonly string[] {
  if (rendering === undefined) return [];
  return rendering.seedApplied ? rendering.ignored : ['seed', ...rendering.ignored];
}
