import { randomBytes } from 'node:crypto';
import {
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { callersFromText, textFromCallers, type CallerEntries } from './callers-file-format.ts';

const lockWaitMs = 5_000;
const lockRetryMs = 50;

/**
 * Replaces API_KEYS_FILE by a changed version of it. Readers see either the old
 * or the new file, and of two changes at once none is lost. A missing file counts as empty.
 *
 * @param change returns the new entries; when it throws, the file stays as it is.
 * @throws Error that says what is wrong with the file, or where its lock is.
 */
export async function editCallersFile(
  path: string,
  change: (entries: CallerEntries) => CallerEntries,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Renaming onto a symbolic link would replace the link, not the file it points to.
  const target = await realpath(path).catch(() => path);
  const lockPath = `${target}.lock`;
  const lock = await lockedFile(lockPath);
  try {
    const changed = textFromCallers(change(await callersFromFile(target)));
    // Throws when the gateway would refuse to load the new file.
    callersFromText(changed);
    await replaceFile(target, changed);
  } finally {
    await lock.close();
    await rm(lockPath, { force: true });
  }
}

/** The entries of a callers file; none when there is no file. @throws Error that says what is wrong with it. */
export async function callersFromFile(path: string): Promise<CallerEntries> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{"callers":[]}';
    throw error;
  });
  try {
    return callersFromText(text);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** The lock file, created by this process. A killed process leaves its lock behind; only a person can see whether it still runs. */
async function lockedFile(lockPath: string): Promise<FileHandle> {
  for (let waitedMs = 0; ; waitedMs += lockRetryMs) {
    try {
      return await open(lockPath, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (waitedMs >= lockWaitMs) {
        throw new Error(
          `another command is changing the keys: if none is running, delete ${lockPath}`,
          { cause: error },
        );
      }
    }
    await sleep(lockRetryMs);
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const old = await stat(path).catch(() => undefined);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    // Run as root, the command must keep the file readable for the gateway's own user.
    if (old !== undefined) await handle.chown(old.uid, old.gid).catch(() => undefined);
    await handle.sync();
    await handle.close();
    await rename(temporary, path);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Writes the folder to the disk, so that the new name survives a loss of power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  // Some file systems refuse this for folders; the file itself is complete either way.
  await folder.sync().catch(() => undefined);
  await folder.close();
}
