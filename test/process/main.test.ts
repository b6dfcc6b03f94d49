import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let directory: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-process-'));
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

function start(environment: Record<string, string>, nodeArguments: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeArguments, 'dist/main.js'], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      DATA_DIR: directory,
      DRAIN_DELAY_MS: '0',
      // Tests share their cores with other work, which must not count as overload.
      LOOP_DELAY_MS_MAX: '10000',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  return { child, ended, errors: () => errors };
}

/** Starts it and waits for its first line, which holds the address. */
async function startListening(
  environment: Record<string, string> = {},
  nodeArguments: readonly string[] = [],
) {
  const started = start({ DRAWING_DELAY_MS: '200', ...environment }, nodeArguments);
  const lines = createInterface({ input: started.child.stdout });
  let output = '';
  lines.on('line', (text) => (output += text));
  const [line] = (await once(lines, 'line')) as [string];
  const { address } = JSON.parse(line) as { address: string };
  return { ...started, address, output: () => output };
}

async function create(address: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${address}/v1/images`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ prompt: 'a red cat', seed: 3 }),
  });
}

// A process may start slowly on a busy machine.
describe('the process', { timeout: 60_000 }, () => {
  it('warns that everyone who reaches it can spend', async () => {
    // An address that is loopback but does not look like it.
    const open = await startListening({ HOST: '::ffff:127.0.0.1', ALLOW_ANONYMOUS: 'true' });
    await expect.poll(open.output).toContain('everyone who reaches this address can spend');
    open.child.kill('SIGINT');
    await open.ended;
  });

  it('listens with nothing configured, draws, says how to use it, and stops on SIGTERM', async () => {
    const { child, address, ended, errors } = await startListening();
    await expect
      .poll(errors)
      .toContain(`--json '{"prompt":"a red cat"}' ${address}/v1/images -o cat.jpg`);
    const image = await create(address, { accept: 'image/*' });
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    expect(new Uint8Array(await image.arrayBuffer()).length).toBeGreaterThan(50_000);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  it('keeps its secret, readable by its user only, so that ids outlive the process', async () => {
    const first = await startListening();
    const { id } = (await (await create(first.address)).json()) as { id: string };
    first.child.kill('SIGINT');
    await first.ended;
    expect((await stat(join(directory, 'gateway-secret'))).mode & 0o777).toBe(0o600);
    expect(
      (await readFile(join(directory, 'gateway-secret'), 'utf8')).trim().length,
    ).toBeGreaterThanOrEqual(32);
    const second = await startListening();
    const response = await fetch(`${second.address}/operations/${id}?wait=60`);
    expect(await response.json()).toMatchObject({ id, status: 'succeeded' });
    second.child.kill('SIGINT');
    await second.ended;
  });

  it('keeps what it accepted when it is killed: the same key brings the same operation, with its image', async () => {
    const first = await startListening({ DRAWING_DELAY_MS: '3000' });
    const key = { 'idempotency-key': `killed-${first.child.pid}` };
    const { id } = (await (await create(first.address, key)).json()) as { id: string };
    // A second one, which is waited for when the process is killed.
    const cut = create(first.address, { ...key, prefer: 'wait=60' }).catch(() => undefined);
    first.child.kill('SIGKILL');
    await Promise.all([cut, first.ended]);
    const second = await startListening({ DRAWING_DELAY_MS: '3000' });
    const again = await create(second.address, { ...key, prefer: 'wait=60' });
    expect(await again.json()).toMatchObject({ id, status: 'succeeded' });
    const image = await fetch(`${second.address}/operations/${id}/image`);
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    expect(new Uint8Array(await image.arrayBuffer()).length).toBeGreaterThan(50_000);
    second.child.kill('SIGINT');
    await second.ended;
  });

  it('refuses to embed the service of several gateways, and says what to do', async () => {
    const { ended, errors } = start({
      STORE_URL: 'redis://127.0.0.1:6379',
      GATEWAY_SECRET: 'x'.repeat(32),
    });
    expect((await ended)[0]).toBe(1);
    expect(errors()).toContain(
      'UPSTREAM_ADDRESS: is needed with STORE_URL: gateways that share a store need one image service',
    );
  });

  it('responds to waiting requests before it stops', async () => {
    const { child, address, ended } = await startListening({ DRAWING_DELAY_MS: '60000' });
    const waiting = create(address, { prefer: 'wait=60' });
    await expect.poll(async () => (await fetch(`${address}/readyz`)).status).toBe(200);
    await expect
      .poll(
        async () => ((await (await fetch(`${address}/livez`)).json()) as { status: string }).status,
      )
      .toBe('live');
    // When a second create is accepted, the first is under way.
    await (await create(address)).arrayBuffer();
    child.kill('SIGTERM');
    expect((await waiting).status).toBe(202);
    expect(await ended).toEqual([0, null]);
  });

  it('stops although no one reads its log', async () => {
    const { child, address, ended } = await startListening();
    child.stdout.destroy();
    await (await create(address)).arrayBuffer();
    child.kill('SIGINT');
    expect(await ended).toEqual([0, null]);
  });

  it('goes on serving after SIGTERM, and exits at once on a second signal', async () => {
    const { child, address, ended, errors } = await startListening({ DRAIN_DELAY_MS: '20000' });
    child.kill('SIGTERM');
    await expect
      .poll(async () => (await fetch(`${address}/readyz`)).status, { timeout: 10_000 })
      .toBe(503);
    expect((await create(address)).status).toBe(202);
    child.kill('SIGTERM');
    expect(await ended).toEqual([143, null]);
    expect(errors()).toContain('second signal, SIGTERM');
  });

  it.each(['throw', 'reject'])(
    'logs the stack of an uncaught error without its message: %s',
    async (how) => {
      const mistake = `const fail = () => { throw new TypeError('x-api-key: canary\\n    at canary (/x.js:1:1)') };
        process.on('SIGUSR2', () => { ${how === 'throw' ? 'fail()' : 'Promise.resolve().then(fail)'} });`;
      const preload = ['--import', `data:text/javascript,${encodeURIComponent(mistake)}`];
      const settings = { DRAWING_DELAY_MS: '60000' };
      const started = await startListening(settings, preload);
      const { child, address, ended, output, errors } = started;
      const waiting = create(address, { prefer: 'wait=60' });
      await (await create(address)).arrayBuffer();
      child.kill('SIGUSR2');
      expect((await waiting).status).toBe(202);
      expect(await ended).toEqual([1, null]);
      const fatal = output()
        .split('}{')
        .filter((line) => line.includes('"level":60'));
      expect(fatal).toHaveLength(1);
      expect(fatal[0]).toMatch(/"error":"TypeError","stack":\["at fail \(data:/);
      expect(`${output()}${errors()}`).not.toContain('x-api-key: canary');
      expect(output()).not.toContain('at canary');
      expect(output()).toContain('"msg":"stopped"');
    },
  );

  it('does not start with a wrong configuration, and names every mistake', async () => {
    const { ended, errors } = start({
      PORT: 'x',
      LOG_LEVEL: 'loud',
      UPSTREAM_API_KEY: 'canary key',
    });
    expect((await ended)[0]).toBe(1);
    expect(errors()).toMatch(/PORT: .*\n.*UPSTREAM_API_KEY: .*\n.*LOG_LEVEL: /);
    expect(errors()).not.toContain('canary');
  });

  it('says that its port is in use', async () => {
    const first = await startListening();
    const second = start({ PORT: new URL(first.address).port });
    expect((await second.ended)[0]).toBe(1);
    expect(second.errors()).toContain('in use');
    first.child.kill('SIGINT');
    await first.ended;
  });
});
