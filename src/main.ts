import { isatty } from 'node:tty';
import { buildApp } from './app.ts';
import { isOpenToAll, isUpstreamEmbedded } from './config/setting-rules.ts';
import { SettingsError, settingWarnings } from './config/settings-from-environment.ts';
import type { SettingValues } from './config/settings.ts';
import { openLog, writeToStandardError } from './observability/log.ts';
import { checkedSettings } from './settings-check.ts';
import { startFailureText } from './start-failure.ts';
import { patientLimits, promptLimits, type DrainLimits } from './lifecycle/drain.ts';
import { exitOnSignalOrError, type ExitCause } from './lifecycle/process-exit.ts';

/** The process: settings, app, listen, signals, exit code. */
async function main(): Promise<void> {
  const settings = await checkedSettings(process.env);
  const [argument] = process.argv.slice(2);
  if (argument === '--check-config') {
    process.stdout.write('The configuration is good.\n');
    return;
  }
  if (argument !== undefined) {
    throw new SettingsError([`${argument}: is no option; --check-config is one`]);
  }
  const opened = openLog({ level: settings.LOG_LEVEL });
  const { log, flush, lostLines } = opened;
  const app = await buildApp(settings, log, { logLinesLost: lostLines });
  const address = await app.listen();
  // Before the log says that it listens: the reader of that line may stop it at once.
  const limitsOf = (cause: ExitCause) => drainLimits(cause, settings);
  exitOnSignalOrError({
    close: (cause) => app.close(limitsOf(cause)),
    log: opened,
    hasTerminal: isatty(standardInput),
    limitMs: (cause) => limitsOf(cause).closingMs + exitMarginMs,
  });
  const { PUBLIC_URL: publicUrl, UPSTREAM_ADDRESS: upstream = 'embedded' } = settings;
  const { metricsAddress: metrics } = app;
  const more = { ...(publicUrl !== undefined && { publicUrl }), ...(metrics && { metrics }) };
  log.info({ address, ...more, upstream }, 'listening');
  if (isOpenToAll(settings)) {
    log.warn(
      { host: settings.HOST },
      'AUTH=none: everyone who reaches this address can spend on its account',
    );
  }
  if (settings.UPSTREAM_ADDRESS === undefined && settings.BACKEND_URL === undefined) {
    log.warn(
      {},
      'neither BACKEND_URL nor UPSTREAM_ADDRESS is set: images are drawn locally, by no real model',
    );
  }
  for (const warning of settingWarnings(process.env)) log.warn({}, warning);
  void flush();
  if (isUpstreamEmbedded(settings)) writeToStandardError(invitation(address, settings));
}

const standardInput = 0;
/** Time between the last limit of the drain and a forced exit, in which the log is written out. */
const exitMarginMs = 750;
/** How long the drain may take after an uncaught error: the state of the process is not to be trusted. */
const afterErrorMs = 2_000;

function drainLimits(cause: ExitCause, settings: SettingValues): DrainLimits {
  const { DRAIN_DELAY_MS: delayMs, SHUTDOWN_TIMEOUT_MS: cutAfterMs } = settings;
  if ('error' in cause) {
    const prompt = promptLimits(afterErrorMs);
    return { ...prompt, settlingMs: afterErrorMs, closingMs: 2 * afterErrorMs };
  }
  // SIGINT and SIGHUP come from a terminal, without a load balancer that needs time to notice.
  return cause.signal === 'SIGTERM'
    ? patientLimits({ delayMs, cutAfterMs })
    : promptLimits(cutAfterMs);
}

/** The first command to try, printed for a person who has just started the gateway. */
function invitation(address: string, { BACKEND_URL: backend }: SettingValues): string {
  const maker = backend === undefined ? 'draws locally' : `asks ${backend.origin}`;
  return `
Listening on ${address}, with an embedded image service that ${maker}. Try:

  curl -f -H 'Accept: image/*' --json '{"prompt":"a red cat"}' ${address}/v1/images -o cat.jpg

`;
}

try {
  await main();
} catch (error) {
  writeToStandardError(`${startFailureText(error)}\n`);
  process.exitCode = 1;
  // A part that was opened before the failure must not keep the process alive.
  setTimeout(() => process.exit(), 1_000).unref();
}
