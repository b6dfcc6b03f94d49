import { randomBytes } from 'node:crypto';
import { SHARE_ENV, Worker, type WorkerOptions } from 'node:worker_threads';
import type { ServiceLog } from './app-renderer.ts';
import { Secret } from './config/secret.ts';
import type { ServiceSettingValues } from './config/service-settings.ts';

/** The image service inside the gateway's process, on a thread of its own. */
export interface ServiceThread {
  readonly address: string;
  /**
   * What its calls need: other users of the machine reach its port too. Undefined
   * where the operator chose the port, because others are meant to call it.
   */
  readonly apiKey: string | undefined;
  /** What makes its images, and what making one again costs. */
  readonly renderer: { readonly name: string; readonly spend: string };
  /** Its metrics as Prometheus reads them; empty while it does not respond. */
  metrics(): Promise<string>;
  /**
   * Begins no further image, and accepts nothing new. Images that are being made
   * may end within the grace; what is unfinished goes on at the next start.
   */
  drain(graceMs: number): void;
  /** Writes the lines of its log from now on, and those that were held until now. */
  showLog(): void;
  /** Ends the thread, after its drain where one has begun. */
  close(): Promise<void>;
}

/** What the gateway tells the thread. */
export type ToThread =
  | { readonly kind: 'drain'; readonly graceMs: number }
  | { readonly kind: 'metrics' }
  | { readonly kind: 'close' };

/** What the thread tells the gateway. */
export type FromThread =
  | {
      readonly kind: 'listening';
      readonly port: number;
      readonly renderer: ServiceThread['renderer'];
    }
  | { readonly kind: 'metrics'; readonly text: string }
  | LogLine;

interface LogLine {
  readonly kind: 'log';
  readonly level: keyof ServiceLog;
  readonly fields: object;
  readonly text: string;
}

/** What the thread starts with. */
export interface ThreadData {
  readonly settings: Readonly<Record<string, PassedSetting>>;
  readonly onlyKey: string | undefined;
}

/** A setting as it is passed to the thread: an object would lose its class. */
export type PassedSetting =
  | { readonly secret: string }
  | { readonly url: string }
  | { readonly value: unknown };

const host = '127.0.0.1';
/** A scrape of the gateway must not fail because its service is busy or gone. */
const scrapeMsMax = 2_000;
const restartAfterMs = 100;
const restartAfterMsMax = 10_000;
/** A thread that ran for so long had no trouble with its start. */
const steadyAfterMs = 60_000;
/** From the end of the grace to the end of the thread. */
const closeMarginMs = 2_000;

/**
 * Starts the service on a worker thread, which does not keep the process alive.
 * A thread that dies later is started again on the same port.
 *
 * @throws Error when the first thread can't start.
 */
export async function startServiceThread(
  settings: ServiceSettingValues,
  log: ServiceLog,
): Promise<ServiceThread> {
  const supervisor = new Supervisor(settings, log);
  const { port, renderer } = await supervisor.start();
  return {
    address: `http://${host}:${port}`,
    apiKey: supervisor.apiKey,
    renderer,
    metrics: () => supervisor.metrics(),
    drain: (graceMs) => supervisor.drain(graceMs),
    showLog: () => supervisor.showLog(),
    close: () => supervisor.close(),
  };
}

type Listening = Extract<FromThread, { readonly kind: 'listening' }>;

/** The present thread, and the next one after it dies. */
class Supervisor {
  readonly apiKey: string | undefined;
  readonly #log: ServiceLog;
  #settings: ServiceSettingValues;
  #worker: Worker | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  #restartAfterMs = restartAfterMs;
  #isStopping = false;
  #graceEndsMs = 0;
  readonly #scrapes: ((text: string) => void)[] = [];
  /** Lines from before the gateway listens: the first line of its log says where. */
  #held: LogLine[] | undefined = [];

  constructor(settings: ServiceSettingValues, log: ServiceLog) {
    this.#settings = settings;
    this.#log = log;
    this.apiKey = settings.SERVICE_PORT === 0 ? randomBytes(32).toString('base64url') : undefined;
  }

  async start(): Promise<Listening> {
    const worker = startWorker(this.#settings, this.apiKey);
    this.#worker = worker;
    const ended = endOf(worker);
    this.#ended = ended;
    const listening = new Promise<Listening>((resolve) => {
      worker.on('message', (message: FromThread) => {
        if (message.kind === 'listening') resolve(message);
        else if (message.kind === 'metrics') this.#scraped(message.text);
        else if (this.#held === undefined) this.#write(message);
        else this.#held.push(message);
      });
    });
    const first = await Promise.race([listening, ended]);
    if (first instanceof Error) throw startError(first, this.#settings);
    worker.unref();
    // The upstream client goes on dialling this address.
    this.#settings = { ...this.#settings, SERVICE_PORT: first.port };
    void this.#watch(ended);
    return first;
  }

  drain(graceMs: number): void {
    this.#stop();
    this.#graceEndsMs = performance.now() + graceMs;
    this.#worker?.postMessage({ kind: 'drain', graceMs } satisfies ToThread);
  }

  metrics(): Promise<string> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#scraped(''), scrapeMsMax).unref();
      this.#scrapes.push((text) => {
        clearTimeout(timer);
        resolve(text);
      });
      if (this.#worker === undefined) this.#scraped('');
      else this.#worker.postMessage({ kind: 'metrics' } satisfies ToThread);
    });
  }

  showLog(): void {
    const lines = this.#held ?? [];
    this.#held = undefined;
    for (const line of lines) this.#write(line);
  }

  async close(): Promise<void> {
    this.#stop();
    // Otherwise the process could end before the thread.
    this.#worker?.ref();
    this.#worker?.postMessage({ kind: 'close' } satisfies ToThread);
    const leftMs = Math.max(0, this.#graceEndsMs - performance.now());
    const force = setTimeout(() => void this.#worker?.terminate(), leftMs + closeMarginMs).unref();
    await this.#ended;
    clearTimeout(force);
  }

  /** In the gateway's log an operation's id is the sealed one; this is the one inside. */
  #write({ level, fields, text }: LogLine): void {
    const { operationId: upstreamId, ...others } = fields as { readonly operationId?: string };
    this.#log[level]({ ...(upstreamId !== undefined && { upstreamId }), ...others }, text);
  }

  /** One text is for all who wait for one. */
  #scraped(text: string): void {
    for (const scraped of this.#scrapes.splice(0)) scraped(text);
  }

  #stop(): void {
    this.#isStopping = true;
    clearTimeout(this.#restart);
  }

  async #watch(ended: Promise<Error>): Promise<void> {
    const startedMs = performance.now();
    const error = await ended;
    const isSteady = performance.now() - startedMs > steadyAfterMs;
    if (isSteady) this.#restartAfterMs = restartAfterMs;
    this.#died(error);
  }

  /** What fails here must not end the gateway, which can go on without its service. */
  #died(error: Error): void {
    this.#scraped('');
    if (this.#isStopping) return;
    const afterMs = this.#restartAfterMs;
    this.#restartAfterMs = Math.min(afterMs * 2, restartAfterMsMax);
    try {
      this.#log.error({ cause: error.message, afterMs }, 'embedded service ended, starts again');
    } catch {
      // Not even a log that fails keeps it from starting again.
    }
    this.#restart = setTimeout(() => void this.#startAgain(), afterMs).unref();
  }

  async #startAgain(): Promise<void> {
    try {
      await this.start();
    } catch (error) {
      this.#died(error as Error);
    }
  }
}

/** Why a thread ended, once it has. Never rejects. */
function endOf(worker: Worker): Promise<Error> {
  let failure: Error | undefined;
  worker.once('error', (error: Error) => (failure = error));
  return new Promise((resolve) => {
    worker.once('exit', (code) => {
      resolve(failure ?? new Error(`the thread ended with code ${code}`));
    });
  });
}

/** The same error in words that name the setting, where one is the cause. */
function startError({ message }: Error, { SERVICE_PORT: port }: ServiceSettingValues): Error {
  if (!message.includes('EADDRINUSE')) return new Error(message);
  return new Error(`SERVICE_PORT: the port ${port} is already in use: set another one, or none`);
}

/** The font library reads the environment of the process, which a thread shares only with this option. */
const threadOptions = { env: SHARE_ENV } satisfies WorkerOptions;

function startWorker(settings: ServiceSettingValues, onlyKey: string | undefined): Worker {
  const workerData: ThreadData = {
    settings: Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, passed(value)]),
    ),
    onlyKey,
  };
  const isSource = import.meta.url.endsWith('.ts');
  if (!isSource) {
    const entry = new URL('./service-thread-main.js', import.meta.url);
    return new Worker(entry, { ...threadOptions, workerData });
  }
  // A thread of Node 20 has no loader for TypeScript until it registers one.
  const loader = import.meta.resolve('tsx/esm/api');
  const entry = new URL('./service-thread-main.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(entry)});
  });`;
  return new Worker(code, { ...threadOptions, eval: true, workerData });
}

function passed(value: unknown): PassedSetting {
  if (value instanceof Secret) return { secret: value.reveal() };
  return value instanceof URL ? { url: value.href } : { value };
}
