import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { parentPort, workerData } from 'node:worker_threads';
import { startEmulator, type EmulatorOptions } from './emulator.ts';

// Failures are thrown, and the gateway reports them in its own log.
setLogVerbosity(logVerbosity.NONE);
/** The emulator on its own thread: drawing and encoding do not block the gateway. */
const emulator = await startEmulator(workerData as EmulatorOptions);
parentPort?.once('message', () => {
  void emulator.close().finally(() => parentPort?.close());
});
parentPort?.postMessage({ address: emulator.address, port: emulator.port });
