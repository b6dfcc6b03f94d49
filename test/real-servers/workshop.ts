import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Something that this machine lacks, in words for the person who runs it. */
export class Missing extends Error {}

const installMsMax = 1_800_000;
const startMsMax = 300_000;

/** Where servers of other people are installed and started, and what was found about them is told. */
export class Workshop {
  failedCount = 0;
  okCount = 0;
  readonly folder: string;
  readonly #children: ChildProcess[] = [];

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Prints whether a fact holds. A fact that doesn't makes the run fail. */
  tell(fact: string, isTrue: boolean, seen: unknown = ''): void {
    const text = typeof seen === 'string' ? seen : JSON.stringify(seen);
    const end = text === '' ? '' : ` [${text}]`;
    process.stdout.write(`${isTrue ? 'ok    ' : 'FAILED'} ${fact}${end}\n`);
    if (isTrue) this.okCount += 1;
    else this.failedCount += 1;
  }

  /** Prints what was seen where nothing is promised. */
  note(text: string): void {
    process.stdout.write(`      ${text}\n`);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** @throws Missing when there is no such command. */
  needs(command: string, forWhat: string): void {
    if (spawnSync('sh', ['-c', `command -v ${command}`]).status !== 0) {
      throw new Missing(`${command} is not installed; it is needed ${forWhat}`);
    }
  }

  /** Runs a command that installs or builds something, behind everything else on this machine. */
  async install(command: string, args: readonly string[], folder = this.folder): Promise<void> {
    const logFile = this.path('install.log');
    const log = openSync(logFile, 'a');
    const child = spawn('nice', ['-n', '10', command, ...args], {
      cwd: folder,
      stdio: ['ignore', log, log],
      timeout: installMsMax,
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code === 0) return;
    const words = [command, ...args].join(' ');
    throw new Missing(`${words}\nended with ${code}:\n${lastLines(logFile)}`);
  }

  /** A Python environment of its own with these packages, made once. */
  async python(name: string, packages: readonly string[]): Promise<string> {
    this.needs('python3', 'for servers and clients in Python');
    const bin = this.path(name, 'bin');
    const done = this.path(`${name}.installed`);
    if (existsSync(done)) return bin;
    this.note(`installing ${packages.join(', ')}`);
    await this.install('python3', ['-m', 'venv', name]);
    await this.install(join(bin, 'pip'), ['install', '--quiet', ...packages]);
    await this.install('touch', [done]);
    return bin;
  }

  /** The version of a package in an environment. */
  version(bin: string, name: string): string {
    const code = `import importlib.metadata as m; print(m.version('${name}'))`;
    return spawnSync(join(bin, 'python'), ['-c', code], { encoding: 'utf8' }).stdout.trim();
  }

  /**
   * Starts a server and waits until it responds at an address.
   *
   * @throws Missing with the end of its log when it doesn't.
   */
  async start(
    command: string,
    args: readonly string[],
    { address, environment = {} }: { address: string; environment?: Record<string, string> },
  ): Promise<ChildProcess> {
    const logFile = this.path('server.log');
    const log = openSync(logFile, 'a');
    const env = { PATH: process.env['PATH'], HOME: this.folder, ...environment };
    const child = spawn(command, args, { cwd: this.folder, stdio: ['ignore', log, log], env });
    this.#children.push(child);
    const end = Date.now() + startMsMax;
    while (Date.now() < end && child.exitCode === null && child.signalCode === null) {
      const isThere = await fetch(address).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isThere) return child;
      await sleep(300);
    }
    throw new Missing(`${command} did not start:\n${lastLines(logFile)}`);
  }

  /** Runs a client to its end, and returns what it printed. */
  async run(
    command: string,
    args: readonly string[],
    environment: Record<string, string> = {},
  ): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
      timeout: startMsMax,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output: output.trim() };
  }

  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const forced = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(forced);
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => this.stop(child)));
  }
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').split('\n').slice(-15).join('\n');
}
