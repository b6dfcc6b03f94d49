import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { parentPort, workerData } from 'node:worker_threads';
import type { ServiceLog } from './app-renderer.ts';
import { openAppService, type AppService } from './app-service.ts';
import { Secret } from './config/secret.ts';
import type { ServiceSettingValues } from './config/service-settings.ts';
import type { FromThread, PassedSetting, ThreadData, ToThread } from './service-thread.ts';

/** The program of the thread: the service, with its log in the gateway's. */
async function main(): Promise<void> {
  // Failures are thrown, and reported once.
  setLogVerbosity(logVerbosity.NONE);
  const { settings, onlyKey } = workerData as ThreadData;
  const service = await openAppService(settingsFrom(settings), log, { onlyKey });
  parentPort?.on('message', (message: ToThread) => {
    if (message.kind === 'drain') void service.drain(message.graceMs);
    else if (message.kind === 'metrics') void scrape(service);
    else void service.close(0).finally(() => parentPort?.close());
  });
  const { name, spend } = service.renderer;
  post({ kind: 'listening', port: service.port, renderer: { name, spend } });
}

async function scrape({ metrics }: AppService): Promise<void> {
  post({ kind: 'metrics', text: await metrics.text().catch(() => '') });
}

const log: ServiceLog = { info: line('info'), warn: line('warn'), error: line('error') };

function line(level: keyof ServiceLog) {
  return (fields: object, text: string) => post({ kind: 'log', level, fields, text });
}

function post(message: FromThread): void {
  parentPort?.postMessage(message);
}

function settingsFrom(settings: ThreadData['settings']): ServiceSettingValues {
  return Object.fromEntries(
    Object.entries(settings).map(([name, passed]) => [name, settingFrom(passed)]),
  ) as unknown as ServiceSettingValues;
}

function settingFrom(passed: PassedSetting): unknown {
  if ('secret' in passed) return new Secret(passed.secret);
  return 'url' in passed ? new URL(passed.url) : passed.value;
}

await main();
