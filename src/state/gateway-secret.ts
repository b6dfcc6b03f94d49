import { randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openWatchedFile, type ReloadResult, type WatchedFile } from '../files/watched-file.ts';
import { makeDataDirectory } from './data-directory.ts';

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

/** The secrets of a gateway as they are now: the current one seals, both open. */
export interface GatewaySecrets {
  readonly current: Buffer;
  readonly previous: Buffer | undefined;
  /** Stops watching their files. */
  close(): void;
}

/** How GATEWAY_SECRET_FILE and GATEWAY_SECRET_PREVIOUS_FILE are read, at start and when they change. */
export function secretFileOptions(setting: string) {
  return { setting, parse: (bytes: Buffer) => Buffer.from(secretFromText(bytes.toString())) };
}

/**
 * Opens the secrets: from the settings, else from the data directory.
 *
 * @param onReload Called when a file that a setting names has changed.
 * @throws Error that names the setting or the file that can't be read or holds no secret.
 */
export async function openGatewaySecrets(
  settings: SecretSettings,
  onReload: (setting: string, result: ReloadResult<unknown>) => void,
): Promise<GatewaySecrets> {
  const { secret, secretFile, previous, previousFile, dataDirectory } = settings;
  const watched = async (setting: string, path: string): Promise<WatchedFile<Buffer>> =>
    openWatchedFile(path, {
      ...secretFileOptions(setting),
      onReload: (result) => onReload(setting, result),
    });
  const fixed = (text: string | undefined) => ({
    value: text === undefined ? undefined : Buffer.from(text),
    close: () => undefined,
  });
  const before =
    previousFile === undefined
      ? fixed(previous ?? (await textOf(join(dataDirectory, previousFileName))))
      : await watched('GATEWAY_SECRET_PREVIOUS_FILE', previousFile);
  const now =
    secretFile === undefined
      ? { value: Buffer.from(secret ?? (await ownSecret(dataDirectory))), close: () => undefined }
      : await watched('GATEWAY_SECRET_FILE', secretFile);
  return {
    get current() {
      return now.value;
    },
    get previous() {
      return before.value;
    },
    close() {
      now.close();
      before.close();
    },
  };
}

/**
 * The secret that a gateway generated for itself. It is kept in the data
 * directory, so that the ids callers hold outlive the process; generated when
 * there is none.
 */
async function ownSecret(dataDirectory: string): Promise<string> {
  await makeDataDirectory(dataDirectory);
  const path = join(dataDirectory, fileName);
  const existing = await textOf(path);
  if (existing !== undefined) return existing;
  const secret = randomBytes(32).toString('base64url');
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    await file.writeFile(`${secret}\n`);
    await file.sync();
    await file.close();
    // Fails if the file exists: of two gateways that start at once, the second uses the first's secret.
    await link(temporary, path);
    return secret;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const made = code === 'EEXIST' ? await textOf(path) : undefined;
    if (made !== undefined) return made;
    throw new Error(`DATA_DIR: the gateway's secret cannot be written there (${code})`, {
      cause: error,
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

/** The secret in a file of the data directory, where there is one. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return secretFromText(await readFile(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new Error(
      `DATA_DIR: its file ${path} ${code === undefined ? message : `cannot be read (${code})`}`,
      {
        cause: error,
      },
    );
  }
}

function secretFromText(text: string): string {
  const secret = text.trim();
  if (secret.length >= charactersMin) return secret;
  throw new Error(`must hold a secret of at least ${charactersMin} characters`);
}
