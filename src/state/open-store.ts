import { join } from 'node:path';
import { openEmbeddedStore } from './embedded-store.ts';
import { openRedisStore } from './redis-store.ts';
import type { StateStore } from './state-store.ts';
import type { StoreLog } from './store-log.ts';

export interface StoreSettings {
  /** Address of a server that several gateways share; undefined: the embedded store. */
  readonly storeUrl: string | undefined;
  readonly dataDirectory: string;
  readonly log: StoreLog;
}

/**
 * The store that the settings name.
 *
 * @throws Error that names the setting when the store can't be opened.
 */
export async function openStateStore(settings: StoreSettings): Promise<StateStore> {
  const { storeUrl, dataDirectory, log } = settings;
  const store =
    storeUrl === undefined
      ? await openEmbeddedStore({ directory: join(dataDirectory, 'state'), log })
      : await openRedisStore({ url: storeUrl, log });
  if (store.isShared && store.durability === 'gateway') {
    log.warn({}, 'the store loses everything when its server crashes: turn its appendonly on');
  }
  return store;
}
