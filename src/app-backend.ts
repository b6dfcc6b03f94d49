import type { BackendSettingValues } from './config/backend-settings.ts';
import { bytesOfSettingFile } from './files/setting-file.ts';
import { dialectOfHost, dialects, type Dialect } from './renderers/openai/dialects.ts';
import { caPemFromFile } from './upstream/channel/ca-certificates.ts';

/** What a backend's settings say beyond their own values: by its host, and in files. */
export interface BackendSetup {
  /** Undefined until the backend says itself who it is. */
  readonly dialect: Dialect | undefined;
  /** In PEM. */
  readonly ca: string | undefined;
  /** Reads the key that is good now. */
  readonly readKey: () => Promise<string | undefined>;
}

/**
 * The setup of the backend behind BACKEND_URL. Sends nothing.
 *
 * @throws Error in one sentence that begins with a setting's name.
 */
export async function backendSetup(settings: BackendSettingValues): Promise<BackendSetup> {
  const readKey = keyReaderOf(settings);
  await readKey();
  return { dialect: dialectOf(settings), ca: await caOf(settings), readKey };
}

function dialectOf(settings: BackendSettingValues): Dialect | undefined {
  const { BACKEND_URL: url, BACKEND_DIALECT: name, BACKEND_MODEL: model } = settings;
  const dialect = name === 'auto' ? dialectOfHost(url?.hostname ?? '') : dialects[name];
  if (dialect?.needsModel === true && model === undefined) {
    throw new Error(`BACKEND_MODEL: is needed for the dialect ${dialect.name}`);
  }
  return dialect;
}

async function caOf({ BACKEND_CA_FILE: path }: BackendSettingValues): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const setting = 'BACKEND_CA_FILE';
  const bytes = await bytesOfSettingFile(path, { setting });
  try {
    return caPemFromFile(bytes).toString();
  } catch (error) {
    throw new Error(`${setting}: ${(error as Error).message}`, { cause: error });
  }
}

function keyReaderOf({
  BACKEND_API_KEY: key,
  BACKEND_API_KEY_FILE: path,
}: BackendSettingValues): () => Promise<string | undefined> {
  if (path === undefined) return async () => key?.reveal();
  const setting = 'BACKEND_API_KEY_FILE';
  return async () => {
    const text = (await bytesOfSettingFile(path, { setting })).toString().trim();
    if (!/^[\x20-\x7e]+$/.test(text)) throw new Error(`${setting}: must hold one line of ASCII`);
    return text;
  };
}
