import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/**
 * Checks that DATA_DIR is a folder that this process may write, or can become one. Changes nothing.
 *
 * @throws Error in one sentence that names the setting.
 */
export async function checkDataDirectory(path: string): Promise<void> {
  const nearest = await nearestExisting(resolve(path));
  const isFolder = await stat(nearest).then((found) => found.isDirectory());
  if (!isFolder) throw new Error(`DATA_DIR: ${nearest} is not a folder`);
  await access(nearest, constants.W_OK | constants.X_OK).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`DATA_DIR: this process may not write to ${nearest} (${error.code})`);
  });
}

/** Makes DATA_DIR. @throws Error in one sentence that names the setting. */
export async function makeDataDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`DATA_DIR: the folder cannot be made (${error.code})`, { cause: error });
  });
}

async function nearestExisting(path: string): Promise<string> {
  const error = await stat(path).then(
    () => undefined,
    (failure: NodeJS.ErrnoException) => failure,
  );
  const parent = dirname(path);
  return error === undefined || parent === path ? path : nearestExisting(parent);
}
