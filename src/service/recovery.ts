import type { Renderer } from '../renderers/renderer.ts';
import { interruptedEnd } from './attempt-end.ts';
import type { ImageStore } from './image-store.ts';
import type { OperationRecord } from './operation-record.ts';
import type { OwnedWrites } from './owned-writes.ts';

/** How an unfinished operation was taken up. */
export type Recovery =
  | { readonly how: 'queued'; readonly record: OperationRecord }
  /** Its attempt was cut short, and is made again. */
  | { readonly how: 'repeated'; readonly record: OperationRecord }
  | { readonly how: 'image_found' | 'failed' };

/**
 * Takes up an operation that the last process left unfinished: with the image
 * of its last attempt where that is on disk, else by the rules for an attempt
 * whose end no one knows.
 */
export async function recover(
  record: OperationRecord,
  {
    images,
    renderer,
    writes,
  }: { readonly images: ImageStore; readonly renderer: Renderer; readonly writes: OwnedWrites },
): Promise<Recovery> {
  if (record.state === 'queued') return { how: 'queued', record };
  if (record.state === 'stored') {
    await writes.success(record.id);
    return { how: 'image_found' };
  }
  const image = await images.find(record.id, record.fence);
  if (image !== undefined) {
    await writes.storedImage(record.id, image);
    return { how: 'image_found' };
  }
  const queued = await writes.attemptEnd(record, interruptedEnd(renderer.spend, record.attempts));
  return queued === undefined ? { how: 'failed' } : { how: 'repeated', record: queued };
}
