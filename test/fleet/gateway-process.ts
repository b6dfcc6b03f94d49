import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The program: the gateway as it is shipped, or one that kills itself at a failpoint. */
export type Entry = 'dist/main.js' | 'test/fleet/failing-gateway.mjs';

/** A gateway in its own process. */
export class GatewayProcess {
  readonly origin: string;
  /** Resolves when the last line of its log is read. */
  readonly logRead: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child;
    this.origin = origin;
    this.#exited =
      child.exitCode === null && child.signalCode === null
        ? once(child, 'exit')
        : Promise.resolve();
    // Its last lines may arrive after its exit.
    this.logRead = child.stdout === null ? Promise.resolve() : once(child.stdout, 'close');
  }

  /**
   * Starts it and waits until it listens.
   *
   * @param onLine Called with every line of its log.
   * @throws Error with its output when it ends before that.
   */
  static async start(
    entry: Entry,
    environment: Record<string, string>,
    onLine: (line: string) => void = () => undefined,
  ): Promise<GatewayProcess> {
    const child = spawn(process.execPath, [entry], {
      cwd: root,
      env: {
        PATH: process.env['PATH'],
        PORT: '0',
        LOG_LEVEL: 'info',
        DRAIN_DELAY_MS: '0',
        // Gateways of a test share few cores, which must not count as overload.
        LOOP_DELAY_MS_MAX: '10000',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stderr.on(
      'data',
      (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)),
    );
    const origin = await new Promise<string>((resolve, reject) => {
      child.once('exit', (code, signal) =>
        reject(new Error(`the gateway ended early (${code ?? signal}): ${errors}`)),
      );
      let isListening = false;
      createInterface({ input: child.stdout }).on('line', (line) => {
        onLine(line);
        const { address } = isListening ? {} : parsed(line);
        if (address === undefined) return;
        isListening = true;
        resolve(address);
      });
    });
    return new GatewayProcess(child, origin);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when the process has ended, in any way. */
  get exited(): Promise<unknown> {
    return this.#exited;
  }

  /** Undefined while it runs, and when a signal ended it. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined;
  }

  /** Ends it at once, as a loss of power does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Sends SIGTERM, without waiting. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  /** Sends SIGTERM and waits for the exit, as an orchestrator does. */
  async stop(): Promise<void> {
    this.terminate();
    await this.#exited;
  }
}

function parsed(line: string): { readonly address?: string } {
  try {
    return JSON.parse(line) as { address?: string };
  } catch {
    return {};
  }
}
