import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { readFile } from 'node:fs/promises';
import { startEmulator } from './emulator.ts';
import { settingsFromEnvironment } from './settings.ts';

/** The emulator as a process: reads settings from the environment, writes one line when it listens. */
async function main(): Promise<void> {
  const { options, tlsFiles } = settingsFromEnvironment(process.env);
  // Failures are thrown, and reported once below.
  setLogVerbosity(logVerbosity.NONE);
  const tls = tlsFiles && {
    certPem: await readFile(tlsFiles.cert, 'utf8'),
    keyPem: await readFile(tlsFiles.key, 'utf8'),
  };
  const emulator = await startEmulator({ ...options, ...(tls && { tls }) });
  process.stdout.write(`${JSON.stringify({ msg: 'listening', address: emulator.address })}\n`);
  const stop = () => {
    void emulator.close().then(() => process.exit(0));
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
