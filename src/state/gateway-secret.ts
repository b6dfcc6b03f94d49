import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const fileName = 'gateway-secret';
const charactersMin = 32;

/**
 * The secret that a gateway made for itself, kept in its data directory so that
 * the ids callers hold outlive the process. Made when there is none.
 *
 * @throws Error when the directory can't be written, or what is in the file is no secret.
 */
export async function keptSecret(dataDirectory: string): Promise<string> {
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const path = join(dataDirectory, fileName);
  const existing = await textOf(path);
  return existing ?? (await madeSecret(path));
}

/**
 * The secret in a file of the operator's.
 *
 * @throws Error when the file can't be read or holds no secret.
 */
export async function secretFromFile(path: string): Promise<string> {
  const text = await textOf(path);
  if (text === undefined) throw new Error(`${path}: there is no such file`);
  return text;
}

async function madeSecret(path: string): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  try {
    // Exclusive: of two gateways that start at once, the second takes the first one's secret.
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${secret}\n`);
    await file.sync();
    await file.close();
    return secret;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return secretFromFile(path);
  }
}

async function textOf(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  if (text.length >= charactersMin) return text;
  throw new Error(`${path}: must hold a secret of at least ${charactersMin} characters`);
}
