import { isUpstreamEmbedded, isUpstreamService } from './config/setting-rules.ts';
import type { SettingValues } from './config/settings.ts';
import { startEmbeddedEmulator } from './emulator/embedded-emulator.ts';
import { openWatchedFile } from './files/watched-file.ts';
import type { Log } from './observability/log.ts';
import { CaCertificates, caPemFromFile } from './upstream/channel/ca-certificates.ts';
import {
  tokenSourceFromSettings,
  type CredentialSettings,
} from './upstream/credentials/token-source.ts';
import {
  openUpstreamClient,
  type UpstreamClient,
  type UpstreamClientOptions,
} from './upstream/upstream-client.ts';

/** The upstream that the settings name. */
export interface AppUpstream {
  readonly client: UpstreamClient;
  /** Media types of its images, the preferred one first. */
  readonly mediaTypes: readonly string[];
  /** Names of its models; absent where the gateway can't know them. */
  readonly models?: readonly string[];
  /** Ends the embedded upstream, where there is one. */
  close(): Promise<void>;
}

const embeddedModels = ['yandex-art'];

/** Starts to connect to the upstream that the settings name, or starts an upstream inside this process where they name none. */
export async function openAppUpstream(
  settings: SettingValues,
  log: Log,
  observers: Pick<UpstreamClientOptions, 'observer' | 'tracer'>,
): Promise<AppUpstream> {
  const isEmbedded = isUpstreamEmbedded(settings);
  const emulator = isEmbedded
    ? await startEmbeddedEmulator({
        port: settings.EMULATOR_PORT,
        latencyMs: settings.EMULATOR_LATENCY_MS,
        models: embeddedModels,
        promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
        onFailure: (error) => log.error({ cause: error.message }, 'embedded upstream ended'),
      })
    : undefined;
  const address = emulator?.address ?? settings.UPSTREAM_ADDRESS ?? '';
  const { ca, close: closeCa } = await openCa(settings.UPSTREAM_CA_FILE, log);
  const client = openUpstreamClient({
    address,
    operationsAddress: settings.OPERATIONS_ADDRESS ?? address,
    ca,
    isService: isUpstreamService(settings),
    tokenSource: await tokenSourceFromSettings({ ...credentialsFrom(settings), ca }, { log }),
    generateTimeoutMs: settings.GENERATE_TIMEOUT_MS,
    getTimeoutMs: settings.GET_TIMEOUT_MS,
    connectTimeoutMs: settings.CONNECT_TIMEOUT_MS,
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    dataLogging: settings.UPSTREAM_DATA_LOGGING,
    ...observers,
    ...(settings.UPSTREAM_FOLDER_HEADER && { folderId: settings.FOLDER_ID }),
    log,
  });
  return {
    client,
    ...(isEmbedded && { models: embeddedModels }),
    mediaTypes: isEmbedded ? ['image/jpeg', 'image/png', 'image/webp'] : ['image/jpeg'],
    async close() {
      closeCa();
      await emulator?.close();
    },
  };
}

/** The settings that say where the gateway's own credential comes from. */
export function credentialsFrom(settings: SettingValues): CredentialSettings {
  return {
    apiKey: settings.UPSTREAM_API_KEY?.reveal(),
    apiKeyFile: settings.UPSTREAM_API_KEY_FILE,
    iamToken: settings.UPSTREAM_IAM_TOKEN?.reveal(),
    iamTokenFile: settings.UPSTREAM_IAM_TOKEN_FILE,
    serviceAccountKeyFile: settings.UPSTREAM_SERVICE_ACCOUNT_KEY_FILE,
    metadataService: settings.UPSTREAM_METADATA_SERVICE,
    iamAddress: settings.IAM_ADDRESS,
  };
}

/** How UPSTREAM_CA_FILE is read, at start and when it changes. */
export const caFileOptions = { setting: 'UPSTREAM_CA_FILE', parse: caPemFromFile } as const;

/** The CA of the upstream, where a file names one. New connections are made when it changes. */
async function openCa(path: string | undefined, log: Log) {
  if (path === undefined) return { ca: undefined, close: () => undefined };
  const file = await openWatchedFile(path, {
    ...caFileOptions,
    onReload(result) {
      if (!result.ok) {
        return log.warn(
          { mistake: result.message },
          'a changed file is wrong; its old contents stay in use',
        );
      }
      ca.replace(result.value);
      log.info({ setting: caFileOptions.setting }, 'file reloaded');
    },
  });
  const ca = new CaCertificates(file.value);
  return { ca, close: () => file.close() };
}
