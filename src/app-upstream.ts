import { readFile } from 'node:fs/promises';
import type { SettingValues } from './config/settings.ts';
import { startEmbeddedEmulator } from './emulator/embedded-emulator.ts';
import type { Log } from './observability/log.ts';
import { tokenSourceFromSettings } from './upstream/credentials/token-source.ts';
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
  /** Ends the embedded upstream, where there is one. */
  close(): Promise<void>;
}

/** Starts to connect to the upstream that the settings name, or starts an upstream inside this process where they name none. */
export async function openAppUpstream(
  settings: SettingValues,
  log: Log,
  observers: Pick<UpstreamClientOptions, 'observer' | 'tracer'>,
): Promise<AppUpstream> {
  const isEmbedded = settings.UPSTREAM_ADDRESS === undefined;
  const emulator = isEmbedded
    ? await startEmbeddedEmulator({
        port: settings.EMULATOR_PORT,
        latencyMs: settings.EMULATOR_LATENCY_MS,
        promptCharactersMax: settings.PROMPT_CHARACTERS_MAX,
        onFailure: (error) => log.error({ cause: error.message }, 'embedded upstream ended'),
      })
    : undefined;
  const address = settings.UPSTREAM_ADDRESS ?? emulator?.address ?? '';
  const caFile = settings.UPSTREAM_CA_FILE;
  const caPem = caFile === undefined ? undefined : await readFile(caFile);
  const client = openUpstreamClient({
    address,
    operationsAddress: settings.OPERATIONS_ADDRESS ?? address,
    ...(caPem !== undefined && { caPem }),
    tokenSource: await tokenSourceFromSettings(
      {
        apiKey: settings.UPSTREAM_API_KEY?.reveal(),
        apiKeyFile: settings.UPSTREAM_API_KEY_FILE,
        iamToken: settings.UPSTREAM_IAM_TOKEN?.reveal(),
        iamTokenFile: settings.UPSTREAM_IAM_TOKEN_FILE,
        serviceAccountKeyFile: settings.UPSTREAM_SERVICE_ACCOUNT_KEY_FILE,
        metadataService: settings.UPSTREAM_METADATA_SERVICE,
        iamAddress: settings.IAM_ADDRESS,
        caPem,
      },
      { log },
    ),
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
    mediaTypes: isEmbedded ? ['image/jpeg', 'image/png', 'image/webp'] : ['image/jpeg'],
    async close() {
      await emulator?.close();
    },
  };
}
