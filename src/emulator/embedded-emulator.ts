import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import type { EmulatorOptions } from './emulator.ts';

/** An emulator that runs beside the gateway, in the same process. */
export interface EmbeddedEmulator {
  readonly address: string;
  readonly port: number;
  /** Ends the thread; a drawing that is under way is waited for no longer than two seconds. */
  close(): Promise<void>;
}

/** What can be handed over to a thread. */
export interface EmbeddedEmulatorOptions extends Omit<
  EmulatorOptions,
  'nowMs' | 'onBilled' | 'random'
> {
  /** Told once when the thread ends, after it has started, without having been closed. */
  readonly onFailure?: (error: Error) => void;
}

const closeTimeoutMs = 2_000;

/**
 * Starts an emulator on a worker thread, which does not keep the process alive.
 *
 * @throws Error when it can't listen.
 */
export async function startEmbeddedEmulator(
  options: EmbeddedEmulatorOptions = {},
): Promise<EmbeddedEmulator> {
  const { onFailure, ...emulatorOptions } = options;
  const worker = startThread(emulatorOptions);
  let failure: Error | undefined;
  worker.on('error', (error) => (failure = error));
  const ended = new Promise<Error>((resolve) => {
    worker.on('exit', (code) => {
      resolve(failure ?? new Error(`the embedded upstream ended with code ${code}`));
    });
  });
  const started = new Promise<Place>((resolve) => worker.once('message', resolve));
  const first = await Promise.race([started, ended]);
  if (first instanceof Error) throw first;
  worker.unref();
  let isClosing = false;
  worker.on('exit', () => {
    if (!isClosing) void ended.then(onFailure);
  });
  return {
    ...first,
    async close() {
      isClosing = true;
      // Else the process could end before the thread has.
      worker.ref();
      worker.postMessage('close');
      const force = setTimeout(() => void worker.terminate(), closeTimeoutMs).unref();
      await ended;
      clearTimeout(force);
    },
  };
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/** The fonts' library reads the environment of the process, which a thread shares only when told to. */
const threadOptions = { env: SHARE_ENV } satisfies WorkerOptions;

function startThread(options: object): Worker {
  const isSource = import.meta.url.endsWith('.ts');
  if (!isSource) {
    const entry = new URL('./emulator-worker.js', import.meta.url);
    return new Worker(entry, { ...threadOptions, workerData: options });
  }
  // A thread of Node 20 has no loader for TypeScript until it registers one.
  const loader = import.meta.resolve('tsx/esm/api');
  const entry = new URL('./emulator-worker.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(entry)});
  });`;
  return new Worker(code, { ...threadOptions, eval: true, workerData: options });
}
