import type { RenderedImage } from '../renderers/renderer.ts';
import type { StoredImage } from './operation-record.ts';

/** `finished`: made from the renderer's own image, which is kept until then. */
export type ImageForm = 'own' | 'finished';

/** Which image of an operation. */
export type ImageName = Pick<StoredImage, 'fence' | 'isFinished'>;

/**
 * The images of a service, by operation and fence.
 *
 * An image that was put is durable: it outlives `kill -9` and loss of power.
 * Nothing is ever replaced.
 */
export interface ImageStore {
  /**
   * Keeps an image. Where one is there already for this operation and fence, that one stays.
   *
   * @throws Error with code ENOSPC or EDQUOT when the disk is full.
   */
  put(id: string, fence: number, image: RenderedImage, form?: ImageForm): Promise<StoredImage>;

  /** @returns Undefined when there is none, or when it is not what was put. */
  get(id: string, image: StoredImage): Promise<Buffer | undefined>;

  /** The renderer's own image for this operation and fence, checked against its own digest. */
  find(id: string, fence: number): Promise<StoredImage | undefined>;

  /** Harmless when it is not there. */
  delete(id: string, image: ImageName): Promise<void>;

  /** Deletes files that are older than `ageMs` and that no record names. @returns How many. */
  deleteStrays(isNamed: (id: string, image: ImageName) => boolean, ageMs: number): Promise<number>;

  /** Bytes of all images, as far as this process knows. */
  readonly bytesHeld: number;
}
