import closeWithGrace from 'close-with-grace';
import { buildApp } from './app.ts';
import {
  ConfigurationError,
  configurationFromEnvironment,
  isOpenToAll,
} from './config/configuration.ts';
import { openLog } from './observability/log.ts';

/** The process: settings, app, listen, signals, exit code. */
async function main(): Promise<void> {
  const settings = configurationFromEnvironment(process.env);
  const { log, flush } = openLog({ level: settings.LOG_LEVEL });
  const app = await buildApp(settings, log);
  const address = await app.listen();
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

  const delay = settings.SHUTDOWN_TIMEOUT_MS + 4_000;
  closeWithGrace({ delay, logger: false }, async ({ signal, err }) => {
    if (err === undefined) log.info({ signal }, 'stopping');
    else log.fatal({ err }, 'stopping after an error nobody caught');
    await app.close();
    log.info('stopped');
    await flush();
  });
}

/** For somebody who just started it: something that works as it stands. */
function invitation(address: string): string {
  return `
Listening on ${address}, with an embedded upstream that draws local pictures. Try:

  curl -f -H 'Accept: image/*' --json '{"prompt":"a red cat"}' ${address}/v1/images -o cat.jpg

`;
}

try {
  await main();
} catch (error) {
  const text = error instanceof ConfigurationError ? error.message : describe(error);
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
