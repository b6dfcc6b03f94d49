import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Exposition } from '../support/exposition.ts';

export interface GatewayProgramOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Where the log and standard error go: a file descriptor, or `ignore`. */
  readonly stdout?: number | 'ignore' | 'pipe';
  readonly stderr?: number | 'ignore' | 'pipe';
  /** Shell words before `node`, such as `ulimit -n 80; exec`. */
  readonly shell?: string;
  readonly nodeArguments?: readonly string[];
}

const startsWithinMs = 60_000;
const requestMs = 20_000;

/** The built gateway as a process of its own, on fixed ports, with the surroundings that a test chooses. */
export class GatewayProgram {
  readonly origin: string;
  readonly #metricsOrigin: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited: Promise<unknown>;
  /** What it wrote to standard error, where that is a pipe. */
  errors = '';

  private constructor(options: GatewayProgramOptions, ports: readonly [number, number]) {
    const { environment, stdout = 'ignore', stderr = 'pipe', shell, nodeArguments = [] } = options;
    this.#folder = mkdtempSync(join(tmpdir(), 'gateway-beside-'));
    const [port, metricsPort] = ports;
    this.origin = `http://127.0.0.1:${port}`;
    this.#metricsOrigin = `http://127.0.0.1:${metricsPort}`;
    const args = [...nodeArguments, 'dist/main.js'];
    const [command, words] =
      shell === undefined
        ? [process.execPath, args]
        : ['bash', ['-c', `${shell} "$0" "$@"`, process.execPath, ...args]];
    const stdio: StdioOptions = ['ignore', stdout, stderr];
    this.#child = spawn(command, words, {
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        METRICS_PORT: String(metricsPort),
        DATA_DIR: join(this.#folder, 'data'),
        DRAIN_DELAY_MS: '0',
        DRAWING_DELAY_MS: '100',
        LOOP_DELAY_MS_MAX: '60000',
        ...environment,
      },
      stdio,
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.#exited = once(this.#child, 'exit');
  }

  /** Starts it, and waits until it responds. @throws Error when it ends before. */
  static async start(options: GatewayProgramOptions = {}): Promise<GatewayProgram> {
    const program = await GatewayProgram.launch(options);
    const untilMs = performance.now() + startsWithinMs;
    while ((await program.statusOf('/readyz')) !== 200) {
      if (program.hasExited) throw new Error(`the gateway ended early: ${program.errors}`);
      if (performance.now() > untilMs) throw new Error('the gateway does not become ready');
      await sleep(50);
    }
    return program;
  }

  /** Starts it, and waits for nothing. */
  static async launch(options: GatewayProgramOptions = {}): Promise<GatewayProgram> {
    return new GatewayProgram(options, [await freePort(), await freePort()]);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The end of a pipe that no one reads unless a test does. */
  get stdout(): ChildProcess['stdout'] {
    return this.#child.stdout;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Status of a GET; 0 when there is no response. */
  async statusOf(path: string, requestId = 'beside'): Promise<number> {
    try {
      const response = await fetch(`${this.origin}${path}`, {
        headers: { 'x-request-id': requestId },
        signal: AbortSignal.timeout(requestMs),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  /** One create; status 0 when there is no response. */
  async create(key?: string): Promise<{ readonly status: number; readonly body: CreateBody }> {
    try {
      const response = await fetch(`${this.origin}/v1/images`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(key !== undefined && { 'idempotency-key': key }),
        },
        body: JSON.stringify({ prompt: 'a red cat' }),
        signal: AbortSignal.timeout(requestMs),
      });
      return { status: response.status, body: (await response.json()) as CreateBody };
    } catch {
      return { status: 0, body: {} };
    }
  }

  async metrics(): Promise<Exposition> {
    const response = await fetch(`${this.#metricsOrigin}/metrics`, {
      signal: AbortSignal.timeout(requestMs),
    });
    return new Exposition(await response.text());
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with its exit code, or the signal that ended it. A process that stays is killed: `late`. */
  async exit(withinMs: number): Promise<number | string> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    if (!this.hasExited) await this.#exited;
    clearTimeout(timer);
    const { exitCode, signalCode } = this.#child;
    return exitCode ?? (signalCode === 'SIGKILL' ? 'late' : (signalCode ?? 'late'));
  }

  /** Ends it if it still runs, and deletes its files. */
  async remove(): Promise<void> {
    if (!this.hasExited) {
      this.#child.kill('SIGKILL');
      await this.#exited;
    }
    this.#child.stdout?.destroy();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

interface CreateBody {
  readonly id?: string;
  readonly code?: string;
  readonly outcome?: string;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
