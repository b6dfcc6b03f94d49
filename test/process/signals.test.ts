import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

/** Generous: npm and the gateway start slowly on a busy machine. */
const slow = { timeout: 120_000 };

let directory: string;
const children: ChildProcess[] = [];
/** Processes behind those that a test started. */
const pids: number[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gateway-signals-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const pid of pids.splice(0)) killIfThere(pid);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function start(command: string, args: readonly string[], environment: object = {}) {
  const child = spawn(command, args, {
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      PORT: '0',
      DATA_DIR: join(directory, 'data'),
      DRAIN_DELAY_MS: '0',
      LOOP_DELAY_MS_MAX: '60000',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  const lines = createInterface({ input: child.stdout });
  let address = '';
  for await (const line of lines) {
    if (/^\d+\s*$/.test(line)) pids.push(Number(line));
    [, address = ''] = /"address":"([^"]+)"/.exec(line) ?? [];
    if (address !== '') break;
  }
  child.stdout.resume();
  return { child, ended, address };
}

const statusOf = (address: string) =>
  fetch(`${address}/livez`).then(
    ({ status }) => status,
    () => 'no connection',
  );

describe('npm', slow, () => {
  it.each([
    ['start', 'SIGTERM'],
    ['start', 'SIGINT'],
  ] as const)(
    'run %s passes %s on, and nothing is left that holds the port',
    async (name, signal) => {
      const { child, ended, address } = await start('npm', ['run', name]);
      expect(await statusOf(address)).toBe(200);
      child.kill(signal);
      expect(await ended).toEqual([0, null]);
      expect(await statusOf(address)).toBe('no connection');
    },
  );

  it('has no shell between itself and what runs for long', () => {
    const { scripts } = JSON.parse(
      spawnSync('cat', ['package.json'], { encoding: 'utf8' }).stdout,
    ) as { scripts: Readonly<Record<string, string>> };
    for (const name of ['start', 'dev', 'emulator', 'keys', 'service']) {
      expect(scripts[name]).toMatch(/^exec /);
    }
  });
});

describe('SIGHUP', slow, () => {
  it.each([
    ['under nohup', 'nohup', [process.execPath, 'dist/main.js']],
    [
      'where the signal was ignored',
      'sh',
      ['-c', `trap '' HUP; exec ${process.execPath} dist/main.js`],
    ],
    ['without a terminal', process.execPath, ['dist/main.js']],
  ])('%s does not end the gateway, and SIGTERM does', async (_, command, args) => {
    const { child, ended, address } = await start(command, args);
    child.kill('SIGHUP');
    child.kill('SIGHUP');
    // In order: the second request is served after the signals are.
    expect([await statusOf(address), await statusOf(address)]).toEqual([200, 200]);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  it.runIf(spawnSync('script', ['--version']).status === 0)(
    'from a terminal ends the gateway in order',
    async () => {
      const line = `sh -c 'echo $$; exec ${process.execPath} dist/main.js'`;
      const { ended, address } = await start('script', ['-qefc', line, '/dev/null']);
      expect(await statusOf(address)).toBe(200);
      process.kill(pids[0] ?? 0, 'SIGHUP');
      expect(await ended).toEqual([0, null]);
      expect(await statusOf(address)).toBe('no connection');
    },
  );
});
