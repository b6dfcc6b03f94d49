import { mkdir } from 'node:fs/promises';
import { open, type RootDatabase } from 'lmdb';
import { ensureLmdbRoom } from '../files/lmdb-room.ts';

/** The LMDB files of a folder, which is made where it is not there. @throws Error that names the folder. */
export async function openLmdbRoot(directory: string): Promise<RootDatabase> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await ensureLmdbRoom(directory);
    return open({
      path: directory,
      noSubdir: false,
      maxDbs: 8,
      // A commit is flushed before anyone reads it.
      overlappingSync: false,
      // Batches of a turn are committed by a promise of their own, whose failure no one could hear.
      eventTurnBatching: false,
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`SERVICE_DIR: the operations in ${directory} can not be opened: ${said}`, {
      cause: error,
    });
  }
}
