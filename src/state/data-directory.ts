import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { makeFolders } from '../files/make-folders.ts';

/**
 * Checks that a setting names a folder that this process may write, or that can become one. Changes nothing.
 *
 * @throws Error in one sentence that names the setting.
 */
export async function checkDirectory(setting: string, path: string): Promise<void> {
  const nearest = await nearestExisting(resolve(path));
  const isFolder = await stat(nearest).then((found) => found.isDirectory());
  if (!isFolder) throw new Error(`${setting}: ${nearest} is not a folder`);
  await access(nearest, constants.W_OK | constants.X_OK).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${setting}: this process may not write to ${nearest} (${error.code})`);
  });
}

/** Makes DATA_DIR. @throws Error in one sentence that names the setting. */
export async function makeDataDirectory(path: string): Promise<void> {
  await makeFolders(resolve(path)).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`DATA_DIR: the folder ${path} cannot be made (${error.code})`, {
      cause: error,
    });
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
