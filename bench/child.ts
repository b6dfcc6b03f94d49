import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** A process of the benchmark: started for one cell, asked by messages, and ended by its id. */
export interface Child {
  readonly pid: number;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Sends a message and resolves with the next one that comes back. */
  ask<Result>(message: object): Promise<Result>;
  stop(): Promise<void>;
}

const isPinned = process.platform === 'linux' && process.env['BENCH_PIN'] !== 'false';

/** The gateway's core and the core of all other processes, so that the load does not slow the gateway. */
function pinned(core: 0 | 1, command: readonly string[]): readonly string[] {
  return isPinned ? ['taskset', '-c', String(core), ...command] : command;
}

/** Starts a role of the benchmark, written in TypeScript, that talks by messages. */
export async function startRole(
  file: string,
  core: 0 | 1,
  environment: Record<string, string> = {},
): Promise<Child> {
  const [command = '', ...args] = pinned(core, [node, '--import', 'tsx', file]);
  const child = spawn(command, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ready = await nextMessage<Record<string, unknown>>(child);
  return {
    pid: child.pid ?? 0,
    ready,
    ask: (message) => ask(child, message),
    stop: () => stop(child),
  };
}

/** BENCH_NODE is another Node to measure on. */
const node = process.env['BENCH_NODE'] ?? process.execPath;

/** For a profile of the gateway: BENCH_NODE_ARGUMENTS="--cpu-prof --cpu-prof-dir=…". */
const nodeArguments = (process.env['BENCH_NODE_ARGUMENTS'] ?? '').split(' ').filter(Boolean);

/** What the probe inside a gateway saw since it was last asked. */
export interface ProbeReport {
  /** The longest time that the event loop stood still. */
  readonly stallMs: number;
  readonly markCompacts: number;
  /** After a garbage collection, when asked with `settle: true`. */
  readonly heapUsed: number;
  readonly external: number;
  /** What keeps the loop alive: sockets, timers, requests. */
  readonly handles: number;
}

/**
 * Starts the gateway as an operator does. Its first log line has the address.
 * With a probe in it, `ask` resolves with a ProbeReport.
 */
export async function startGateway(
  environment: Record<string, string>,
  { hasProbe = false }: { readonly hasProbe?: boolean } = {},
): Promise<Child> {
  const probe = hasProbe ? ['--import', './bench/probe.mjs'] : [];
  const [command = '', ...args] = pinned(0, [node, ...nodeArguments, ...probe, 'dist/main.js']);
  const child = spawn(command, args, {
    env: { ...process.env, PORT: '0', ...environment },
    stdio: ['ignore', 'pipe', 'ignore', hasProbe ? 'ipc' : 'ignore'],
  });
  if (child.stdout === null) throw new Error('a pipe was asked for');
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
    ask: (message) => ask(child, message),
    stop: () => stop(child),
  };
}

async function ask<Result>(child: ChildProcess, message: object): Promise<Result> {
  const responded = nextMessage<Result>(child);
  child.send(message);
  return responded;
}

/** Rejects when the process ends instead of answering. */
async function nextMessage<Message>(child: ChildProcess): Promise<Message> {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`process ${child.pid} ended with ${String(code)} and no response`);
  });
  const responded = once(child, 'message', { signal });
  try {
    const [message] = (await Promise.race([responded, ended])) as [Message];
    return message;
  } finally {
    ended.catch(() => undefined);
    responded.catch(() => undefined);
    controller.abort();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  // Not SIGTERM: there is no load balancer here that needs time to notice.
  child.kill('SIGINT');
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

/** How long a process's main thread was ready to run and had no core, so far, in microseconds. */
export function waitedForCoreMicroseconds(pid: number): number {
  const [, waitedNs = '0'] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
  return Number(waitedNs) / 1_000;
}

/** Files, sockets and pipes that a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resident memory in KiB: now, and at its peak. */
export function residentKib(pid: number): { readonly now: number; readonly peak: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  const value = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)?.[1] ?? Number.NaN);
  return { now: value('VmRSS'), peak: value('VmHWM') };
}
