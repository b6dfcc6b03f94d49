import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../fleet/gateway-process.ts';

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'service-process-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

function run(program: string, environment: Record<string, string>) {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], DATA_DIR: join(directory, 'service'), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  return { child, ended };
}

/** Starts the service, and waits until it listens. */
async function startService(environment: Record<string, string>) {
  const started = run('dist/service-main.js', { SERVICE_PORT: '0', ...environment });
  const lines = createInterface({ input: started.child.stdout });
  const address = await new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const { msg, address: at } = JSON.parse(line) as { msg: string; address?: string };
      if (msg === 'listening' && at !== undefined) resolve(at);
    });
    void started.ended.then(() => reject(new Error('the service ended early')));
  });
  return { ...started, address };
}

async function healthOf(address: string): Promise<number | null> {
  const { ended } = run('dist/service-health.js', { SERVICE_PORT: new URL(address).port });
  return (await ended)[0];
}

describe('the service as a process', { timeout: 120_000 }, () => {
  it('says by an exit code whether it takes new operations', async () => {
    const { child, ended, address } = await startService({});
    expect(await healthOf(address)).toBe(0);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(await healthOf(address)).toBe(1);
  });

  it('makes images for gateways that have its key, also for one that was started after another', async () => {
    const keys = join(directory, 'keys');
    const key = join(directory, 'key');
    await writeFile(keys, 'gateway 0123456789abcdef-gateway\n');
    await writeFile(key, '0123456789abcdef-gateway\n');
    const { address } = await startService({
      SERVICE_API_KEYS_FILE: keys,
      DRAWING_DELAY_MS: '500',
    });
    const settings = {
      ...{ UPSTREAM_ADDRESS: address, UPSTREAM_IS_SERVICE: 'true', UPSTREAM_API_KEY_FILE: key },
      ...{ DATA_DIR: join(directory, 'gateway'), FOLDER_ID: 'local' },
    };
    const first = await GatewayProcess.start('dist/main.js', settings);
    const created = await fetch(`${first.origin}/v1/images`, {
      ...{ method: 'POST', body: '{"prompt":"a red cat"}' },
      headers: { 'content-type': 'application/json' },
    });
    const { id } = (await created.json()) as { id: string };
    await first.kill();
    const second = await GatewayProcess.start('dist/main.js', settings);
    const image = await fetch(`${second.origin}/operations/${id}/image?wait=60`);
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    await image.arrayBuffer();
    await second.stop();
    await writeFile(key, 'another-key-that-is-not-known\n');
    const stranger = await GatewayProcess.start('dist/main.js', settings);
    const refused = await fetch(`${stranger.origin}/v1/images`, {
      ...{ method: 'POST', body: '{"prompt":"a red cat"}' },
      headers: { 'content-type': 'application/json' },
    });
    expect(await refused.json()).toMatchObject({ code: 'upstream_auth', outcome: 'not_started' });
    await stranger.stop();
  });
});
