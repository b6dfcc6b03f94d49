import { embeddedServiceSettings } from './config/service-settings.ts';
import { isUpstreamEmbedded, isUpstreamService } from './config/setting-rules.ts';
import type { SettingValues } from './config/settings.ts';
import { openWatchedFile } from './files/watched-file.ts';
import type { Log } from './observability/log.ts';
import { startServiceThread, type ServiceThread } from './service-thread.ts';
import type { ModelCatalog } from './translation/model-card.ts';
import { CaCertificates, caPemFromFile } from './upstream/channel/ca-certificates.ts';
import {
  tokenSourceFromSettings,
  type CredentialSettings,
} from './upstream/credentials/token-source.ts';
import {
  openUpstreamClient,
  type ServiceClient,
  type UpstreamClient,
  type UpstreamClientOptions,
} from './upstream/upstream-client.ts';

/** The upstream that the settings name. */
export interface AppUpstream {
  readonly client: UpstreamClient;
  /** What only the service offers; absent where the upstream is another one. */
  readonly service?: ServiceClient | undefined;
  /** Its models, as far as they are known before it was asked. */
  readonly models: ModelCatalog;
  /** Metrics of the embedded service as Prometheus reads them; empty where there is none. */
  readonly metrics: () => Promise<string>;
  /** Lets the embedded service write to the log, where there is one. */
  readonly showLog: () => void;
  /** Lets the embedded service, where there is one, begin no further image: `close` comes within that time. */
  readonly drain: (phase: 'leaving' | 'finishing', leftMs: number) => void;
  /** Ends the embedded service, where there is one. */
  close(): Promise<void>;
}

const embeddedModels = ['yandex-art'];

/** Of the time that is left: for writing what is unfinished, and for the parts that close after it. */
const closingShareMs = 1_500;

/** Starts to connect to the upstream that the settings name, or starts the image service inside this process where they name none. */
export async function openAppUpstream(
  settings: SettingValues,
  log: Log,
  observers: Pick<UpstreamClientOptions, 'observer' | 'tracer'>,
): Promise<AppUpstream> {
  const isEmbedded = isUpstreamEmbedded(settings);
  const service = isEmbedded
    ? await startServiceThread(embeddedServiceSettings(settings), log.child({ part: 'service' }))
    : undefined;
  const address = service?.address ?? settings.UPSTREAM_ADDRESS ?? '';
  const { ca, close: closeCa } = await openCa(settings.UPSTREAM_CA_FILE, log);
  const client = openUpstreamClient({
    address,
    operationsAddress: settings.OPERATIONS_ADDRESS ?? address,
    ca,
    isService: isUpstreamService(settings),
    tokenSource: await tokenSourceFromSettings(
      { ...(isEmbedded ? { apiKey: service?.apiKey } : credentialsFrom(settings)), ca },
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
    service: isUpstreamService(settings) ? client : undefined,
    models: {
      names: isEmbedded ? embeddedModels : undefined,
      cards: new Map(),
      mediaTypes: isEmbedded ? ['image/jpeg', 'image/png', 'image/webp'] : ['image/jpeg'],
    },
    metrics: async () => (await service?.metrics()) ?? '',
    showLog() {
      service?.showLog();
      if (service !== undefined) warnOfPaidWork(service, log);
    },
    drain(phase, leftMs) {
      // What is paid for gets all the time there is. Until then, drawings are made for those who wait.
      if (phase === 'leaving' && service?.renderer.spend === 'free') return;
      service?.drain(Math.max(0, leftMs - closingShareMs));
    },
    async close() {
      closeCa();
      await service?.close();
    },
  };
}

/** A stop of the gateway waits for its drain only, which an image that is paid for may outlast. */
function warnOfPaidWork({ renderer }: ServiceThread, log: Log): void {
  if (renderer.spend === 'free') return;
  log.warn(
    { renderer: renderer.name },
    'images cost money, and a stop of this process waits for them no longer than SHUTDOWN_TIMEOUT_MS: run the service by itself (npm run service)',
  );
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
