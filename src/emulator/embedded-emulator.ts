import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import type { EmulatorOptions } from './emulator.ts';

/** An emulator in the gateway's process, on its own thread. */
export interface EmbeddedEmulator {
  readonly address: string;
  readonly port: number;
  /** Ends the thread; waits at most two seconds for a drawing in progress. */
  close(): Promise<void>;
}

/** The emulator's options that can be passed to a thread. */
export interface EmbeddedEmulatorOptions extends Omit<
  EmulatorOptions,
  'nowMs' | 'onBilled' | 'random'
> {
  /** Called once if the thread ends after its start without being closed. */
  readonly onFailure?: (error: Error) => void;
}

const closeTimeoutMs = 2_000;

/**
 * Starts an emulator on a worker thread, which does not keep the process alive.
 *
 * @throws Error when the emulator can't listen.
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
  const started = new Promise<ListeningAt>((resolve) => worker.once('message', resolve));
  const first = await Promise.race([started, ended]);
  if (first instanceof Error) throw first;
  worker.unref();
  let isClosing = false;
  worker.on('exit', () => {
    // What fails here would end the gateway, which can go on without its upstream.
    if (!isClosing) void ended.then(onFailure).catch(() => undefined);
  });
  return {
    ...first,
    async close() {
      isClosing = true;
      // Otherwise the process could end before the thread.
      worker.ref();
      worker.postMessage('close');
      const force = setTimeout(() => void worker.terminate(), closeTimeoutMs).unref();
      await ended;
      clearTimeout(force);
    },
  };
}

/** The message of the thread once it listens. */
interface ListeningAt {
  readonly address: string;
  readonly port: number;
}

/** The font library reads the environment of the process, which a thread shares only with this option. */
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
