import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** More than LMDB's lock file and first pages. */
const neededBytes = 64 * 1_024;

/**
 * Makes sure that new LMDB files have room in a folder. LMDB writes to its lock
 * file through memory: on a full disk that is SIGBUS, which ends the process
 * before anyone can say why.
 *
 * @throws Error of the system, such as ENOSPC, when there is no room.
 */
export async function ensureLmdbRoom(folder: string): Promise<void> {
  const isThere = await stat(join(folder, 'lock.mdb')).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const path = join(folder, `room-${process.pid}.part`);
  // One that a killed start left behind is written over: in a container the process id is always the same.
  const file = await open(path, 'w', 0o600);
  try {
    await file.writeFile(Buffer.alloc(neededBytes, 1));
    await file.datasync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}
