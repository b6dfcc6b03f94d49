import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';

/** A real server for one test, on loopback and in its own temporary folder. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Program and version, such as `redis-server 7.0.15`. */
  readonly version: string;
  /** Ends it as `kill -9` does. `restart` starts it again on the same port and files. */
  crash(): Promise<void>;
  restart(): Promise<void>;
  /** Stops it without ending it, as a machine under heavy load; `thaw` lets it go on. Resolves when it has stopped. */
  freeze(): Promise<void>;
  thaw(): void;
  stop(): Promise<void>;
}

const programs = ['valkey-server', 'redis-server'];

/** @throws Error that says how to install one when the system has none. */
export function redisProgram(): string {
  const found = programs.find((name) => spawnSync(name, ['--version']).status === 0);
  if (found !== undefined) return found;
  throw new Error(
    `Neither ${programs.join(' nor ')} is installed. Install one from the system's packages, ` +
      'for example: apt-get install -y redis-server, brew install valkey',
  );
}

/** @param settings More command line arguments, such as `['--appendfsync', 'always']`. */
export async function startRedisServer(settings: readonly string[] = []): Promise<RedisServer> {
  const program = redisProgram();
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout;
  const directory = await mkdtemp(join(tmpdir(), 'gateway-redis-'));
  const port = await freePort();
  const start = () => started(program, ['--port', String(port), '--dir', directory, ...settings]);
  let child = await start();
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    await exited;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    version: `${program} ${/v=(\S+)/.exec(version)?.[1] ?? 'of unknown version'}`,
    crash: () => end('SIGKILL'),
    async restart() {
      await end('SIGKILL');
      child = await start();
    },
    async freeze() {
      child.kill('SIGSTOP');
      // The signal returns before the process stops, which may still respond until then.
      while (!hasStopped(child.pid)) await setTimeout(5);
    },
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      await end('SIGKILL');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function hasStopped(pid: number | undefined): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim().startsWith('T');
}

async function started(program: string, settings: readonly string[]): Promise<ChildProcess> {
  const fixed = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'yes', '--daemonize', 'no'];
  const child = spawn(program, [...fixed, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}: ${output}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      output = `${output}${line}\n`.slice(-2_000);
      if (line.includes('Ready to accept connections')) resolve();
    });
  });
  child.removeAllListeners('exit');
  return child;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
