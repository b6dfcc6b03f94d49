import { parentPort, workerData } from 'node:worker_threads';
import { startEmulator, type EmulatorOptions } from './emulator.ts';

/** The emulator on a thread of its own: it draws and encodes without holding up the gateway. */
const emulator = await startEmulator(workerData as EmulatorOptions);
parentPort?.once('message', () => {
  void emulator.close().finally(() => parentPort?.close());
});
parentPort?.postMessage({ address: emulator.address, port: emulator.port });
