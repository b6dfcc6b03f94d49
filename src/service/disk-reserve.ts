import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Room on the disk that is kept for images which are being made. */
export interface DiskReserve {
  /** Whether there was no room for it when it was last needed. */
  readonly isMissing: boolean;
  /** Makes sure that the room is there. @returns False when the disk is full, or the folder is gone. */
  ensure(): Promise<boolean>;
  /** Gives the room to an image that must be written now. */
  release(): Promise<void>;
}

const chunkBytes = 1_048_576;

/**
 * A file of `bytes` that holds nothing and is deleted when an image needs its room.
 *
 * @param isFolderThere Whether what is written there can be read after a restart.
 */
export function diskReserve(
  directory: string,
  bytes: number,
  isFolderThere: () => boolean = () => true,
): DiskReserve {
  const path = join(directory, 'reserve');
  let isThere = false;
  let isMissing = false;
  let making: Promise<boolean> | undefined;

  const make = async (): Promise<boolean> => {
    try {
      const file = await open(path, 'w', 0o600);
      try {
        // Written, not only sized: a hole in a file holds no room.
        const chunk = Buffer.alloc(chunkBytes, 0x2e);
        for (let written = 0; written < bytes; written += chunkBytes) await file.write(chunk);
        await file.datasync();
      } finally {
        await file.close();
      }
      isThere = true;
      isMissing = false;
    } catch (error) {
      isMissing = true;
      await rm(path, { force: true });
      if (!isDiskFull(error)) throw error;
    }
    return isThere;
  };

  return {
    get isMissing() {
      return isMissing;
    },
    async ensure() {
      if (!isFolderThere()) return false;
      if (isThere) return true;
      making ??= make().finally(() => (making = undefined));
      return making;
    },
    async release() {
      isThere = false;
      isMissing = true;
      await rm(path, { force: true });
    },
  };
}

export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, message } = error as NodeJS.ErrnoException;
  // LMDB reports the system's words, not its code.
  return code === 'ENOSPC' || code === 'EDQUOT' || /No space left|quota exceeded/i.test(message);
}
