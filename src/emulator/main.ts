import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { bytesOfSettingFile } from '../files/setting-file.ts';
import { listenFailureText } from '../text/listen-failure.ts';
import { startEmulator } from './emulator.ts';
import { settingsFromEnvironment } from './settings.ts';

/** The emulator as a process: reads settings from the environment, writes one line when it listens. */
async function main(): Promise<void> {
  const { options, tlsFiles } = settingsFromEnvironment(process.env);
  // Failures are thrown, and reported once below.
  setLogVerbosity(logVerbosity.NONE);
  const tls = tlsFiles && {
    certPem: await textOfFile('EMULATOR_TLS_CERT_FILE', tlsFiles.cert),
    keyPem: await textOfFile('EMULATOR_TLS_KEY_FILE', tlsFiles.key),
  };
  const emulator = await startEmulator({ ...options, ...(tls && { tls }) });
  process.stdout.write(`${JSON.stringify({ msg: 'listening', address: emulator.address })}\n`);
  const stop = () => {
    void emulator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
}

async function textOfFile(setting: string, path: string): Promise<string> {
  return String(await bytesOfSettingFile(path, { setting }));
}

function startFailureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const names = { hosts: ['HOST'], ports: ['EMULATOR_PORT'] };
  return listenFailureText(error, names) ?? error.message;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${startFailureText(error)}\n`);
  process.exitCode = 1;
}
