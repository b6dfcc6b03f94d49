import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { parentPort, workerData } from 'node:worker_threads';
import { startEmulator, type EmulatorOptions } from './emulator.ts';

// What fails here is thrown, and told by the gateway in its own log.
setLogVerbosity(logVerbosity.NONE);
/** The emulator on a thread of its own: it draws and encodes without holding up the gateway. */
const emulator = await startEmulator(workerData as EmulatorOptions);
parentPort?.once('message', () => {
  void emulator.close().finally(() => parentPort?.close());
});
parentPort?.postMessage({ address: emulator.address, port: emulator.port });
