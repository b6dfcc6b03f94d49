import { startEmulator, type Emulator, type EmulatorOptions } from '../../src/emulator/emulator.ts';
import { apiKeysFile, type ApiKeysFile, type CallerLimitsJson } from './api-keys.ts';
import { startGateway, type Gateway } from './gateway.ts';

/** A gateway that asks for keys, with an emulator of its own. */
export interface KeyedGateway {
  readonly emulator: Emulator;
  readonly file: ApiKeysFile;
  readonly gateway: Gateway;
  /** Header with the key of a caller. */
  keyOf(caller: string): Record<string, string>;
  close(): Promise<void>;
}

/** @param options.callers By name, with their limits. */
export async function startKeyedGateway(options: {
  readonly callers: Readonly<Record<string, CallerLimitsJson>>;
  readonly emulator?: EmulatorOptions;
  readonly environment?: Readonly<Record<string, string>>;
}): Promise<KeyedGateway> {
  const emulator = await startEmulator({ latencySpreadRatio: 0, ...options.emulator });
  const file = await apiKeysFile(options.callers);
  const gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
    ...options.environment,
  });
  return {
    emulator,
    file,
    gateway,
    keyOf: (caller) => ({ 'x-api-key': file.keys[caller] ?? '' }),
    async close() {
      await gateway.close();
      await file.remove();
      await emulator.close();
    },
  };
}
