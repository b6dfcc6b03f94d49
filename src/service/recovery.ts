import type { Renderer } from '../renderers/renderer.ts';
import { interruptedEnd } from './attempt-end.ts';
import type { ImageStore } from './image-store.ts';
import { attemptsMax, type OperationRecord } from './operation-record.ts';
import type { OwnedWrites } from './owned-writes.ts';

/** How an unfinished operation was taken up. */
export type Recovery =
  | { readonly how: 'queued'; readonly record: OperationRecord }
  /** Its result is looked for where it was said to be. */
  | { readonly how: 'submitted'; readonly record: OperationRecord }
  /** Its attempt was cut short, and is made again. */
  | { readonly how: 'repeated'; readonly record: OperationRecord }
  /** `lost`: it may have been paid for. */
  | { readonly how: 'image_found' | 'failed' | 'lost' };

interface RecoveryParts {
  readonly images: ImageStore;
  readonly renderer: Renderer;
  readonly writes: OwnedWrites;
}

/**
 * Takes up an operation that the last process left unfinished: with the image
 * of its last attempt where that is on disk, else where its result is said to
 * be, else by the rules for an attempt whose end no one knows.
 */
export async function recover(record: OperationRecord, parts: RecoveryParts): Promise<Recovery> {
  const { images, renderer, writes } = parts;
  if (record.state === 'queued') return { how: 'queued', record };
  if (record.state === 'stored') {
    const kept = record.image && (await images.get(record.id, record.image));
    if (kept === undefined) return repeated(await writes.imageLost(record.id), parts);
    const takenUp = await writes.takenUp(record);
    if (takenUp !== undefined) await writes.success(takenUp, kept);
    return { how: 'image_found' };
  }
  const image = await images.find(record.id, record.fence);
  const bytes = image && (await images.get(record.id, image));
  if (image !== undefined && bytes !== undefined) {
    await writes.storedImage(record.id, image, bytes);
    return { how: 'image_found' };
  }
  const { takeUps = 0 } = record;
  if (record.state === 'submitted' && renderer.find !== undefined && takeUps < attemptsMax) {
    const takenUp = await writes.takenUp(record);
    return takenUp === undefined ? { how: 'failed' } : { how: 'submitted', record: takenUp };
  }
  return repeated(record, parts);
}

async function repeated(
  record: OperationRecord | undefined,
  { renderer, writes }: RecoveryParts,
): Promise<Recovery> {
  if (record === undefined) return { how: 'failed' };
  const { spend, name: backend } = renderer;
  const { attempts, plan } = record;
  const end = interruptedEnd({ spend, backend, attempts, plan, deadlineLeftMs: 0 });
  const queued = await writes.attemptEnd(record, end);
  if (queued !== undefined) return { how: 'repeated', record: queued };
  return { how: end.lossCause === undefined ? 'failed' : 'lost' };
}
