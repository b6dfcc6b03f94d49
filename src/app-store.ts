import type { AppMetrics } from './app-metrics.ts';
import type { SettingValues } from './config/settings.ts';
import { storeUrlFromText } from './config/setting-values.ts';
import { openWatchedFile, type ReloadResult } from './files/watched-file.ts';
import type { Log } from './observability/log.ts';
import type { SealSecrets } from './sealing/seal.ts';
import { openGatewaySecrets } from './state/gateway-secret.ts';
import { measuredStore } from './state/measured-store.ts';
import { openStateStore } from './state/open-store.ts';
import { ReplaceableStore } from './state/replaceable-store.ts';
import type { StateStore } from './state/state-store.ts';

/** What outlives the process: the gateway's secrets, idempotency records and counts. */
export interface AppStore {
  readonly store: StateStore;
  readonly secrets: SealSecrets;
  close(): Promise<void>;
}

/** How STORE_URL_FILE is read, at start and when it changes. */
export const storeUrlFileOptions = {
  setting: 'STORE_URL_FILE',
  parse(bytes: Buffer): string {
    const url = storeUrlFromText(bytes.toString().trim());
    if (url === undefined) throw new Error('must hold redis://host:port, or rediss:// for TLS');
    return url.reveal();
  },
} as const;

/** @throws Error that names the setting whose file, folder or server is wrong. */
export async function openAppStore(
  settings: SettingValues,
  parts: {
    readonly log: Log;
    readonly metrics: AppMetrics | undefined;
    /** Stands between the app and its store. */
    readonly throughStore?: ((store: StateStore) => StateStore) | undefined;
  },
): Promise<AppStore> {
  const { log, metrics, throughStore } = parts;
  const secrets = await openGatewaySecrets(
    {
      secret: settings.GATEWAY_SECRET?.reveal(),
      secretFile: settings.GATEWAY_SECRET_FILE,
      previous: settings.GATEWAY_SECRET_PREVIOUS?.reveal(),
      previousFile: settings.GATEWAY_SECRET_PREVIOUS_FILE,
      dataDirectory: settings.DATA_DIR,
    },
    (setting, result) => logReload(log, setting, result),
  );
  const { store: opened, stopWatching } = await openStore(settings, log);
  const watched = throughStore?.(opened) ?? opened;
  const store = metrics === undefined ? watched : measuredStore(watched, metrics.store);
  return {
    secrets,
    store,
    async close() {
      secrets.close();
      stopWatching();
      await store.close();
    },
  };
}

async function openStore(settings: SettingValues, log: Log) {
  const { DATA_DIR: dataDirectory, STORE_URL_FILE: urlFile } = settings;
  const open = (storeUrl: string | undefined) => openStateStore({ storeUrl, dataDirectory, log });
  if (urlFile === undefined) {
    return { store: await open(settings.STORE_URL?.reveal()), stopWatching: () => undefined };
  }
  const file = await openWatchedFile(urlFile, {
    ...storeUrlFileOptions,
    onReload(result) {
      logReload(log, 'STORE_URL_FILE', result);
      // A shared store opens even while its server is out of reach.
      if (!result.ok) return;
      open(result.value).then(
        (next) => store.replace(next),
        (error: Error) => log.error({ cause: error.message }, 'the new store cannot be opened'),
      );
    },
  });
  const store = new ReplaceableStore(await open(file.value));
  return { store, stopWatching: () => file.close() };
}

function logReload(log: Log, setting: string, result: ReloadResult<unknown>): void {
  if (result.ok) log.info({ setting }, 'file reloaded');
  else
    log.warn({ mistake: result.message }, 'a changed file is wrong; its old contents stay in use');
}
