import { buildApp } from './app.ts';
import {
  SettingsError,
  settingsFromEnvironment,
  isOpenToAll,
} from './config/settings-from-environment.ts';
import type { SettingValues } from './config/settings.ts';
import { openLog } from './observability/log.ts';
import { patientLimits, promptLimits, type DrainLimits } from './lifecycle/drain.ts';
import { endProcessOnSignals, type EndCause } from './lifecycle/process-exit.ts';

/** The process: settings, app, listen, signals, exit code. */
async function main(): Promise<void> {
  const settings = settingsFromEnvironment(process.env);
  const { log, flush } = openLog({ level: settings.LOG_LEVEL });
  const app = await buildApp(settings, log);
  const address = await app.listen();
  // Before anybody hears that it listens: who hears of it may stop it at once.
  const limitsOf = (cause: EndCause) => drainLimits(cause, settings);
  endProcessOnSignals({
    close: (cause) => app.close(limitsOf(cause)),
    log,
    flush,
    limitMs: (cause) => limitsOf(cause).closingMs + exitMarginMs,
  });
  const { PUBLIC_URL: publicUrl, UPSTREAM_ADDRESS: upstream = 'embedded' } = settings;
  const { metricsAddress: metrics } = app;
  const told = { ...(publicUrl !== undefined && { publicUrl }), ...(metrics && { metrics }) };
  log.info({ address, ...told, upstream }, 'listening');
  if (isOpenToAll(settings)) {
    log.warn(
      { host: settings.HOST },
      'AUTH=none: whoever reaches this address spends on its account',
    );
  }
  void flush();
  if (settings.UPSTREAM_ADDRESS === undefined) process.stderr.write(invitation(address));
}

/** Between the last limit of the drain and an end without it: the log is written out. */
const exitMarginMs = 750;
/** A process that made a mistake nobody expected is not to be trusted for long. */
const afterErrorMs = 2_000;

function drainLimits(cause: EndCause, settings: SettingValues): DrainLimits {
  const { DRAIN_DELAY_MS: delayMs, SHUTDOWN_TIMEOUT_MS: cutAfterMs } = settings;
  if ('error' in cause) {
    const prompt = promptLimits(afterErrorMs);
    return { ...prompt, settlingMs: afterErrorMs, closingMs: 2 * afterErrorMs };
  }
  // A person at a terminal has no load balancer in front that needs to notice.
  return cause.signal === 'SIGTERM'
    ? patientLimits({ delayMs, cutAfterMs })
    : promptLimits(cutAfterMs);
}

/** For somebody who just started it: something that works as it stands. */
function invitation(address: string): string {
  return `
Listening on ${address}, with an embedded upstream that draws local images. Try:

  curl -f -H 'Accept: image/*' --json '{"prompt":"a red cat"}' ${address}/v1/images -o cat.jpg

`;
}

try {
  await main();
} catch (error) {
  const text = error instanceof SettingsError ? error.message : describe(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
  // A part that was opened before the mistake must not keep a failed start alive.
  setTimeout(() => process.exit(), 1_000).unref();
}

function describe(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (code === 'EADDRINUSE')
    return 'The address is in use already: set another HOST, PORT or METRICS_PORT.';
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
