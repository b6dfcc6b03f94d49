import type { RenderedImage } from '../renderers/renderer.ts';
import type { StoredImage } from './operation-record.ts';

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
  put(id: string, fence: number, image: RenderedImage): Promise<StoredImage>;

  /** @returns Undefined when there is none, or when it is not what was put. */
  get(id: string, image: StoredImage): Promise<Buffer | undefined>;

  /** What is there for this operation and fence, checked against its own digest. */
  find(id: string, fence: number): Promise<StoredImage | undefined>;

  /** Harmless when it is not there. */
  delete(id: string, fence: number): Promise<void>;

  /** Deletes files that are older than `ageMs` and that no record names. @returns How many. */
  deleteStrays(isNamed: (id: string, fence: number) => boolean, ageMs: number): Promise<number>;

  /** Bytes of all images, as far as this process knows. */
  readonly bytesHeld: number;
}
