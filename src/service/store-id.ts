import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';

/** The file of a store that holds its id beside the row of it. Who restores a backup deletes it first. */
export const storeIdFile = 'store-id';

/**
 * The id of a store: the one that its row and its file agree on, else a new one,
 * which is then in the file.
 *
 * To be called in the transaction that writes the row, so that two processes
 * that open the store at once agree.
 */
export function agreedStoreId(directory: string, idOfRow: string | undefined): string {
  const path = join(directory, storeIdFile);
  if (idOfRow !== undefined && textOf(path) === idOfRow) return idOfRow;
  const id = randomUUID();
  flushed(path, 'w', (file) => writeSync(file, `${id}\n`));
  flushed(directory, 'r', () => undefined);
  return id;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function flushed(path: string, flags: string, use: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    use(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
