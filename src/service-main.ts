import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { isatty } from 'node:tty';
import { openAppService, type AppService } from './app-service.ts';
import {
  serviceSettingsFromEnvironment,
  type ServiceSettingValues,
} from './config/service-settings.ts';
import { exitOnSignalOrError } from './lifecycle/process-exit.ts';
import { metricsServer } from './observability/metrics-server.ts';
import { openLog, writeToStandardError } from './observability/log.ts';
import { runServiceCommand } from './service-command.ts';
import { hostInUrl } from './text/host.ts';
import { listenFailureText } from './text/listen-failure.ts';

const listenSettings = {
  hosts: ['SERVICE_HOST', 'SERVICE_METRICS_HOST'],
  ports: ['SERVICE_PORT', 'SERVICE_METRICS_PORT'],
};
const standardInput = 0;
/** Between the end of the drain and a forced exit. */
const exitMarginMs = 5_000;

/** The process of the service: settings, service, signals, exit code. */
async function main(): Promise<void> {
  const settings = serviceSettingsFromEnvironment(process.env);
  // Failures are thrown, and reported once.
  setLogVerbosity(logVerbosity.NONE);
  const opened = openLog({ level: settings.LOG_LEVEL });
  const { log, flush } = opened;
  const service = await openAppService(settings, log);
  const metrics = await serveMetrics(settings, service);
  exitOnSignalOrError({
    close: async (cause) => {
      await service.close('error' in cause ? 0 : settings.SERVICE_DRAIN_MS);
      // Last, so that a drain can be observed.
      await metrics?.close();
      return true;
    },
    log: opened,
    hasTerminal: isatty(standardInput),
    limitMs: (cause) => ('error' in cause ? 0 : settings.SERVICE_DRAIN_MS) + exitMarginMs,
  });
  const scheme = settings.SERVICE_TLS_CERT_FILE === undefined ? 'http' : 'https';
  const address = `${scheme}://${hostInUrl(settings.SERVICE_HOST)}:${service.port}`;
  log.info(
    {
      address,
      metrics: metrics?.address,
      storeId: service.storeId,
      renderer: settings.BACKEND_URL === undefined ? 'local' : 'openai',
    },
    'listening',
  );
  void flush();
}

/** Serves the metrics where a port is set. */
async function serveMetrics(settings: ServiceSettingValues, { metrics }: AppService) {
  const { SERVICE_METRICS_HOST: host, SERVICE_METRICS_PORT: port } = settings;
  if (port === undefined) return undefined;
  const server = metricsServer(metrics, { host, port });
  const address = `http://${hostInUrl(host)}:${await server.listen()}/metrics`;
  return { address, close: () => server.close() };
}

try {
  const [command, ...rest] = process.argv.slice(2);
  if (command === undefined) await main();
  else process.exitCode = await runServiceCommand([command, ...rest], process.env);
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const listening = error instanceof Error ? listenFailureText(error, listenSettings) : undefined;
  const text = listening ?? message;
  writeToStandardError(`${text}\n`);
  process.exitCode = 1;
  // A part that was opened before the failure must not keep the process alive.
  setTimeout(() => process.exit(), 1_000).unref();
}
