import type { AppMetrics } from './app-metrics.ts';
import type { SettingValues } from './config/settings.ts';
import type { Log } from './observability/log.ts';
import type { SealSecrets } from './sealing/seal.ts';
import { sealSecretsFrom } from './state/gateway-secret.ts';
import { measuredStore } from './state/measured-store.ts';
import { openStateStore } from './state/open-store.ts';
import type { StateStore } from './state/state-store.ts';

/** What outlives the process: the gateway's secrets, idempotency records and counts. */
export interface AppStore {
  readonly store: StateStore;
  readonly secrets: SealSecrets;
}

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
  const { DATA_DIR: dataDirectory, STORE_URL: storeUrl } = settings;
  const secrets = await sealSecretsFrom({
    secret: settings.GATEWAY_SECRET?.reveal(),
    secretFile: settings.GATEWAY_SECRET_FILE,
    previous: settings.GATEWAY_SECRET_PREVIOUS?.reveal(),
    previousFile: settings.GATEWAY_SECRET_PREVIOUS_FILE,
    dataDirectory,
  });
  const opened = await openStateStore({ storeUrl, dataDirectory, log });
  const store = throughStore?.(opened) ?? opened;
  return { secrets, store: metrics === undefined ? store : measuredStore(store, metrics.store) };
}
