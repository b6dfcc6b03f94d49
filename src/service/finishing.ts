import { FinishError } from '../renderers/finish/finish-image.ts';
import { attemptsMax } from './operation-record.ts';

/**
 * Makes of a renderer's image the one that its caller gets: of the type that was
 * asked for, without metadata.
 *
 * @throws FinishError
 */
export type FinishImage = (
  bytes: Uint8Array,
  mediaTypeWanted: string,
) => Promise<{
  readonly bytes: Uint8Array;
  readonly mediaType: string;
  /** What could not be carried over. */
  readonly lost: readonly string[];
}>;

/** `unusable`: it is not an image. */
export type Finished = Awaited<ReturnType<FinishImage>> | 'unusable';

/** Named among what was ignored, where the image could not be converted. */
const mediaTypeField = 'mime_type';

/**
 * Finishes an image that is kept. One that can't be converted after three tries
 * in all is given in its own type: it is there, and was paid for.
 *
 * @param triesBefore Processes that have tried.
 */
export async function finishKept(
  image: { readonly bytes: Uint8Array; readonly mediaType: string },
  options: {
    readonly finish: FinishImage;
    readonly mediaTypeWanted: string;
    readonly triesBefore: number;
  },
): Promise<Finished> {
  const { finish, mediaTypeWanted, triesBefore } = options;
  for (let tries = triesBefore; tries < attemptsMax; tries += 1) {
    try {
      return await finish(image.bytes, mediaTypeWanted);
    } catch (error) {
      if (error instanceof FinishError && error.failure === 'unusable') return 'unusable';
    }
  }
  try {
    const inOwnType = await finish(image.bytes, image.mediaType);
    return { ...inOwnType, lost: [...inOwnType.lost, mediaTypeField] };
  } catch {
    return 'unusable';
  }
}
