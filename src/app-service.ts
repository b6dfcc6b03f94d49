import { createSecureContext } from 'node:tls';
import { openRenderer, type ServiceLog } from './app-renderer.ts';
import { systemClock } from './clock/system-clock.ts';
import { serviceDirectoryOf } from './config/service-directory.ts';
import type { ServiceSettingValues } from './config/service-settings.ts';
import { bytesOfSettingFile } from './files/setting-file.ts';
import { openServiceMetrics, type ServiceMetrics } from './observability/service-metrics.ts';
import { finishImage } from './renderers/finish/finish-image.ts';
import { apiKeysFromFile, openToAll, openToKey } from './service/api-keys.ts';
import {
  openService,
  type Service,
  type ServiceObserver,
  type ServiceOptions,
} from './service/service.ts';

/** The service with its metrics. */
export interface AppService extends Service {
  readonly metrics: Pick<ServiceMetrics, 'contentType' | 'text'>;
}

export interface AppServiceOptions extends Pick<ServiceOptions, 'throughStore' | 'throughImages'> {
  /** Needed for every call, where there is no file of keys. */
  readonly onlyKey?: string | undefined;
}

/** Opens the service that the settings name, and listens. */
export async function openAppService(
  settings: ServiceSettingValues,
  log: ServiceLog,
  { onlyKey, ...through }: AppServiceOptions = {},
): Promise<AppService> {
  const renderer = await openRenderer(settings, log);
  const metrics = openServiceMetrics({
    backend: renderer.name,
    isPaid: renderer.spend !== 'free',
    startedAtS: systemClock.nowMs() / 1_000,
  });
  const service = await openService({
    ...through,
    directory: serviceDirectoryOf(settings),
    renderer,
    authenticator: onlyKey === undefined ? authenticatorOf(settings, log) : openToKey(onlyKey),
    clock: systemClock,
    host: settings.SERVICE_HOST,
    port: settings.SERVICE_PORT,
    tls: await tlsOf(settings),
    queuedMax: settings.QUEUE_MAX,
    deadlineMs: settings.OPERATION_DEADLINE_MS,
    retentionMs: settings.RETENTION_MS,
    imagesBytesMax: settings.IMAGES_BYTES_MAX,
    imageBytesMax: settings.IMAGE_BYTES_MAX,
    imagesPerDayMax: settings.BACKEND_IMAGES_PER_DAY_MAX,
    // A larger one could be kept, but not be read by a gateway with the same bound.
    finish: (bytes, mediaType) =>
      finishImage(bytes, mediaType, { bytesMax: settings.IMAGE_BYTES_MAX }),
    observer: observerOf(log, metrics),
  });
  metrics.watch(() => service.levels());
  return { ...service, metrics };
}

function authenticatorOf({ SERVICE_API_KEYS_FILE: path }: ServiceSettingValues, log: ServiceLog) {
  if (path === undefined) return openToAll;
  return apiKeysFromFile(path, {
    elapsedMs: () => systemClock.elapsedMs(),
    failed: (error) => log.warn({ cause: wordsOf(error) }, 'keys file not read'),
  });
}

async function tlsOf(settings: ServiceSettingValues) {
  const { SERVICE_TLS_CERT_FILE: cert, SERVICE_TLS_KEY_FILE: key } = settings;
  if (cert === undefined || key === undefined) return undefined;
  const certPem = await textOfSettingFile('SERVICE_TLS_CERT_FILE', cert);
  const keyPem = await textOfSettingFile('SERVICE_TLS_KEY_FILE', key);
  try {
    createSecureContext({ cert: certPem, key: keyPem });
  } catch (cause) {
    throw new Error(
      'SERVICE_TLS_CERT_FILE, SERVICE_TLS_KEY_FILE: must name a certificate in PEM and the private key of it',
      { cause },
    );
  }
  return { certPem, keyPem };
}

async function textOfSettingFile(setting: string, path: string): Promise<string> {
  return String(await bytesOfSettingFile(path, { setting }));
}

/** Metrics, and one line for each attempt and for what an operator needs to know; never a prompt. */
function observerOf(log: ServiceLog, metrics: ServiceMetrics): ServiceObserver {
  return {
    ownershipChanged: (owns) => log.info({ owns }, 'ownership'),
    dispatched: (dispatch) => metrics.dispatched(dispatch),
    attemptEnded: ({ error: cause, requestId: backendRequestId, ...attempt }) => {
      metrics.attemptEnded(attempt);
      const durationMs = Math.round(attempt.durationMs);
      const line = { ...attempt, durationMs, backendRequestId, cause };
      if (attempt.outcome === 'unknown') log.error(line, 'attempt');
      else if (attempt.outcome === 'failed') log.warn(line, 'attempt');
      else log.info(line, 'attempt');
    },
    backendChanged: (backend, shutCause) => {
      if (shutCause === undefined) log.info({ backend }, 'backend open');
      else log.warn({ backend, shutCause }, 'backend shut off');
    },
    recovered: (operationId, how) => {
      metrics.recovered(how);
      if (how === 'lost') log.error({ operationId, how }, 'recovered');
      else log.info({ operationId, how }, 'recovered');
    },
    late: (operationId) => {
      metrics.late();
      log.warn({ operationId }, 'late image kept');
    },
    writeFailed: (operationId, error) => {
      metrics.writeFailed();
      log.error({ operationId, cause: wordsOf(error) }, 'write failed');
    },
    failed: (error) => log.error({ cause: wordsOf(error) }, 'service failed'),
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
