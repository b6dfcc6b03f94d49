import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** A process of the benchmark: started for one cell, asked by messages, and ended by its id. */
export interface Child {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Sends a message and resolves with the next one that comes back. */
  ask<Answer>(message: object): Promise<Answer>;
  stop(): Promise<void>;
}

const isPinned = process.platform === 'linux' && process.env['BENCH_PIN'] !== 'false';

/** The gateway's core and everybody else's, so that the load does not push the gateway aside. */
function pinned(core: 0 | 1, command: readonly string[]): readonly string[] {
  return isPinned ? ['taskset', '-c', String(core), ...command] : command;
}

/** Starts a role of the benchmark, written in TypeScript, that talks by messages. */
export async function startRole(
  file: string,
  core: 0 | 1,
  environment: Record<string, string> = {},
): Promise<Child> {
  const [command = '', ...args] = pinned(core, [process.execPath, '--import', 'tsx', file]);
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [Record<string, unknown>];
  return {
    pid: child.pid ?? 0,
    ready,
    async ask(message) {
      child.send(message);
      const [answer] = (await once(child, 'message')) as [never];
      return answer;
    },
    stop: () => stop(child),
  };
}

/** For a profile of the gateway: BENCH_NODE_ARGUMENTS="--cpu-prof --cpu-prof-dir=…". */
const nodeArguments = (process.env['BENCH_NODE_ARGUMENTS'] ?? '').split(' ').filter(Boolean);

/** Starts the gateway as an operator does. Its first log line tells the address. */
export async function startGateway(environment: Record<string, string>): Promise<Child> {
  const [command = '', ...args] = pinned(0, [process.execPath, ...nodeArguments, 'dist/main.js']);
  const child = spawn(command, args, {
    env: { ...process.env, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the gateway ended with ${String(code)} before it listened`);
  });
  ended.catch(() => undefined);
  let first = '';
  while (!first.includes('\n')) {
    const [chunk] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
    first += chunk.toString();
  }
  child.stdout.resume();
  return {
    pid: child.pid ?? 0,
    ready: JSON.parse(first.split('\n', 1)[0] ?? '') as Record<string, unknown>,
    ask: () => Promise.reject(new Error('the gateway takes no messages')),
    stop: () => stop(child),
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(force);
}

/** CPU time of a process with all its threads so far, in microseconds, as the kernel accounts for it. */
export function cpuMicroseconds(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [onCpuNs = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(
      ' ',
    );
    return sum + Number(onCpuNs) / 1_000;
  }, 0);
}

/** Resident memory in KiB: now, and at its peak. */
export function residentKib(pid: number): { readonly now: number; readonly peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? Number.NaN);
  return { now: value('VmRSS'), peak: value('VmHWM') };
}
