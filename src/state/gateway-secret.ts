import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const fileName = 'gateway-secret';
const previousFileName = 'gateway-secret.previous';
const charactersMin = 32;

export interface SecretSettings {
  readonly secret: string | undefined;
  readonly secretFile: string | undefined;
  readonly previous: string | undefined;
  readonly previousFile: string | undefined;
  readonly dataDirectory: string;
}

/**
 * The secret that seals, and the previous one that still opens: from the
 * settings, else from the data directory.
 *
 * @throws Error that names the file that can't be read or holds no secret.
 */
export async function sealSecretsFrom(settings: SecretSettings): Promise<{
  readonly current: Buffer;
  readonly previous: Buffer | undefined;
}> {
  const { secret, secretFile, previous, previousFile, dataDirectory } = settings;
  const configured = secret ?? (secretFile && (await secretFromFile(secretFile)));
  const before =
    previous ??
    (previousFile === undefined
      ? await textOf(join(dataDirectory, previousFileName))
      : await secretFromFile(previousFile));
  return {
    current: Buffer.from(configured ?? (await keptSecret(dataDirectory))),
    previous: before === undefined ? undefined : Buffer.from(before),
  };
}

/**
 * The secret that a gateway generated for itself. It is kept in the data
 * directory, so that the ids callers hold outlive the process; generated when
 * there is none.
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
 * The secret in a file that the operator provides.
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
    // 'x' fails if the file exists: of two gateways that start at once, the second uses the first's secret.
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
