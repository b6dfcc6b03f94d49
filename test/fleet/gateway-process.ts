import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Which program runs: the gateway as it is shipped, or one that fails on order. */
export type Entry = 'dist/main.js' | 'test/fleet/failing-gateway.mjs';

/** A gateway as a process of its own. */
export class GatewayProcess {
  readonly origin: string;
  /** Resolves when the last line of its log was read. */
  readonly said: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child;
    this.origin = origin;
    this.#exited =
      child.exitCode === null && child.signalCode === null
        ? once(child, 'exit')
        : Promise.resolve();
    // Its last lines may come after its exit.
    this.said = child.stdout === null ? Promise.resolve() : once(child.stdout, 'close');
  }

  /**
   * Starts it and waits until it listens.
   *
   * @param onLine Told of every line of its log.
   * @throws Error with what it said when it ends before that.
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
        // Gateways of a test share few cores: what they shed for that is no matter of it.
        LOOP_DELAY_MS_MAX: '10000',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
    const origin = await new Promise<string>((resolve, reject) => {
      child.once('exit', (code, signal) =>
        reject(new Error(`the gateway ended early (${code ?? signal}): ${said}`)),
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

  /** Resolves when the process is gone, however it ended. */
  get exited(): Promise<unknown> {
    return this.#exited;
  }

  /** Undefined while it runs, and when a signal ended it. */
  get exitCode(): number | undefined {
    return this.#child.exitCode ?? undefined;
  }

  /** At once, without a word, as a machine that loses power. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Tells it to stop, without waiting. */
  terminate(): void {
    this.#child.kill('SIGTERM');
  }

  /** As an orchestrator stops it. */
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
