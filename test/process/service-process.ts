import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Exposition } from '../support/exposition.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = 'dist/service-main.js';

/** The built service as a process. */
export interface ServiceProcess {
  readonly address: string;
  readonly lines: readonly string[];
  metrics(): Promise<Exposition>;
  /** Resolves when it has ended. */
  end(signal: NodeJS.Signals): Promise<void>;
}

function run(args: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(process.execPath, [program, ...args], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Starts it on free ports; rejects when it ends before it listens. */
export async function startServiceProcess(
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const child = run([], { SERVICE_PORT: '0', SERVICE_METRICS_PORT: '0', ...environment });
  const lines: string[] = [];
  const listening = new Promise<{ address: string; metrics: string }>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line);
        if (line.includes('"listening"')) resolve(JSON.parse(line));
      });
    }
    child.once('exit', () => reject(new Error(`it ended: ${lines.join('\n')}`)));
  });
  const { address, metrics } = await listening;
  return {
    address,
    lines,
    metrics: async () => new Exposition(await (await fetch(metrics)).text()),
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    },
  };
}

/** Runs a command of the operator. */
export async function serviceCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const child = run(args, environment);
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, errors };
}
