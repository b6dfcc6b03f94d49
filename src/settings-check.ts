import { backendSetup } from './app-backend.ts';
import { storeUrlFileOptions } from './app-store.ts';
import { caFileOptions, credentialsFrom } from './app-upstream.ts';
import { callersFileOptions } from './callers/caller-lookup.ts';
import { isStoreShared, isUpstreamEmbedded } from './config/setting-rules.ts';
import { SettingsError } from './config/settings-error.ts';
import { readSettings } from './config/settings-from-environment.ts';
import type { SettingValues } from './config/settings.ts';
import { checkSettingFile } from './files/watched-file.ts';
import { checkDirectory } from './state/data-directory.ts';
import { secretFileOptions } from './state/gateway-secret.ts';
import { tokenSourceFromSettings } from './upstream/credentials/token-source.ts';

/**
 * The settings of a process, once every file and folder they name has been
 * looked at. Starts nothing, writes nothing and sends nothing.
 *
 * @throws SettingsError with every mistake, in values and in files.
 */
export async function checkedSettings(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<SettingValues> {
  const { values, mistakes } = readSettings(environment);
  const results = await Promise.allSettled(checks(values));
  const found = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }) => (reason as Error).message);
  if (mistakes.length + found.length > 0) throw new SettingsError([...mistakes, ...found]);
  return values;
}

/** One promise for each file or folder that is used. It rejects with a sentence that begins with the setting's name. */
function checks(settings: SettingValues): readonly Promise<unknown>[] {
  const { API_KEYS_FILE, AUTH, GATEWAY_SECRET_FILE, GATEWAY_SECRET_PREVIOUS_FILE } = settings;
  const { STORE_URL_FILE, UPSTREAM_CA_FILE } = settings;
  const usesCallers = AUTH === 'keys' || AUTH === 'jwt';
  const files = [
    [usesCallers ? API_KEYS_FILE : undefined, callersFileOptions],
    [GATEWAY_SECRET_FILE, secretFileOptions('GATEWAY_SECRET_FILE')],
    [GATEWAY_SECRET_PREVIOUS_FILE, secretFileOptions('GATEWAY_SECRET_PREVIOUS_FILE')],
    [STORE_URL_FILE, storeUrlFileOptions],
    [isUpstreamEmbedded(settings) ? undefined : UPSTREAM_CA_FILE, caFileOptions],
  ] as const;
  return [
    ...files.map(([path, options]) =>
      path === undefined ? undefined : checkSettingFile(path, options),
    ),
    settings.BACKEND_URL === undefined ? undefined : backendSetup(settings),
    isUpstreamEmbedded(settings) ? undefined : tokenSourceFromSettings(credentialsFrom(settings)),
    isStoreShared(settings) ? undefined : checkDirectory('DATA_DIR', settings.DATA_DIR),
    isUpstreamEmbedded(settings) && settings.SERVICE_DIR !== undefined
      ? checkDirectory('SERVICE_DIR', settings.SERVICE_DIR)
      : undefined,
  ].filter((check) => check !== undefined);
}
