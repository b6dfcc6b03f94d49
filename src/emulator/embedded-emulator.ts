import { Worker } from 'node:worker_threads';
import type { EmulatorOptions } from './emulator.ts';

/** An emulator that runs beside the gateway, in the same process. */
export interface EmbeddedEmulator {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

export interface EmbeddedEmulatorOptions extends Omit<EmulatorOptions, 'nowMs'> {
  /** Told when the thread ends without having been closed. */
  readonly onFailure?: (error: Error) => void;
}

/** A drawing that is under way is waited for no longer than this. */
const closeTimeoutMs = 2_000;

/**
 * Starts an emulator on a worker thread.
 *
 * @throws Error when it can't listen.
 */
export function startEmbeddedEmulator(options: EmbeddedEmulatorOptions): Promise<EmbeddedEmulator> {
  const { onFailure, ...workerData } = options;
  const worker = new Worker(workerUrl(), { workerData });
  return new Promise((resolve, reject) => {
    let isClosing = false;
    worker.once('message', ({ address, port }: { address: string; port: number }) => {
      worker.unref();
      resolve({
        address,
        port,
        async close() {
          isClosing = true;
          const ended = new Promise<void>((done) => worker.once('exit', () => done()));
          worker.postMessage('close');
          const force = setTimeout(() => void worker.terminate(), closeTimeoutMs).unref();
          await ended;
          clearTimeout(force);
        },
      });
    });
    const fail = (error: Error) => {
      if (isClosing) return;
      reject(error);
      onFailure?.(error);
    };
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`the embedded upstream ended with code ${code}`)));
  });
}

/** Node 20 can't load TypeScript on a thread, so from sources the thread runs the build. */
function workerUrl(): URL {
  const isSource = import.meta.url.endsWith('.ts');
  return new URL(isSource ? '../../dist/emulator/worker.js' : './worker.js', import.meta.url);
}
