import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCertificate } from '../support/certificate.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'settings-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the gateway's process to its end. */
function run(environment: Record<string, string>, ...args: readonly string[]) {
  return runProgram('dist/main.js', environment, ...args);
}

async function runProgram(
  program: string,
  environment: Record<string, string>,
  ...args: readonly string[]
) {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'], PORT: '0', DATA_DIR: join(folder, 'data'), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output, errors };
}

/** Writes a file and returns its path. */
async function file(name: string, text: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const real = { UPSTREAM_ADDRESS: 'llm.example:443', FOLDER_ID: 'b1g' };
const { caPem, keyPem } = makeCertificate();

// A process may start slowly on a busy machine.
describe('a start with wrong settings', { timeout: 60_000 }, () => {
  it('names mistakes in values, names, folders and files at once, without a stack or a secret', async () => {
    const { code, output, errors } = await run({
      PORT: '99999',
      UPSTREAM_ADRESS: 'llm.example:443',
      AUTH: 'keys',
      API_KEYS_FILE: join(folder, 'no-keys.json'),
      GATEWAY_SECRET_FILE: await file('short', 'canary'),
      GATEWAY_SECRET_PREVIOUS_FILE: folder,
      DATA_DIR: join(await file('a-file', ''), 'data'),
    });
    expect(code).toBe(1);
    expect(output).toBe('');
    expect(errors.split('\n').map((line) => line.trim())).toEqual([
      'The configuration is wrong:',
      'PORT: must be a whole number from 0 to 65535',
      'UPSTREAM_ADRESS: is no setting; did you mean UPSTREAM_ADDRESS?',
      'UPSTREAM_ADDRESS: is needed with AUTH=keys; set UPSTREAM_ADDRESS=embedded if callers shall get local drawings',
      'API_KEYS_FILE: names a file that does not exist',
      'GATEWAY_SECRET_FILE: must hold a secret of at least 32 characters',
      'GATEWAY_SECRET_PREVIOUS_FILE: names no regular file',
      `DATA_DIR: ${join(folder, 'a-file')} is not a folder`,
      '',
    ]);
  });

  it.each([
    ['a CA file that is missing', () => ({ UPSTREAM_CA_FILE: join(folder, 'none.pem') }), 'exist'],
    [
      'a CA file without a certificate',
      async () => ({ UPSTREAM_CA_FILE: await file('ca', 'x') }),
      'PEM',
    ],
    ['a key for a CA file', async () => ({ UPSTREAM_CA_FILE: await file('key', keyPem) }), 'PEM'],
    [
      'a CA file with a broken certificate',
      async () => ({ UPSTREAM_CA_FILE: await file('broken', `${String(caPem)}\n${broken}`) }),
      'certificate number 2 cannot be read',
    ],
    ['a missing key file', () => ({ UPSTREAM_API_KEY_FILE: join(folder, 'none') }), 'exist'],
    [
      'an empty key file',
      async () => ({ UPSTREAM_API_KEY_FILE: await file('empty', '\n') }),
      'one cred',
    ],
    [
      'a service account that is no JSON',
      async () => ({ UPSTREAM_SERVICE_ACCOUNT_KEY_FILE: await file('sa.json', 'canary') }),
      'JSON',
    ],
    [
      'a store without an address',
      async () => ({ STORE_URL_FILE: await file('url', 'canary') }),
      'redis://',
    ],
    [
      'a keys file that is no JSON',
      async () => ({ AUTH: 'keys', API_KEYS_FILE: await file('keys.json', 'canary') }),
      'is not JSON',
    ],
  ])('names %s in one sentence', async (_, settings, words) => {
    const environment: Record<string, string> = { ...real, ...(await settings()) };
    const name = Object.keys(environment).find((key) => key.endsWith('_FILE')) ?? '';
    if (!/KEY/.test(name) || name === 'API_KEYS_FILE') environment['UPSTREAM_API_KEY'] = 'k';
    if (name === 'STORE_URL_FILE') environment['GATEWAY_SECRET'] = 'x'.repeat(32);
    const { code, errors } = await run(environment);
    expect(code).toBe(1);
    expect(errors).toMatch(/^The configuration is wrong:\n {2}[^\n]*\n$/);
    expect(errors).toContain(`  ${name}: `);
    expect(errors).toContain(words);
    expect(errors).not.toContain('canary');
  });

  it.each([
    [
      'an address that this machine does not have',
      { HOST: '203.0.113.1' },
      'HOST, METRICS_HOST: this',
    ],
    [
      'a name without an address',
      { HOST: 'no-such-host.invalid' },
      'HOST, METRICS_HOST: no address',
    ],
  ])('names %s in one sentence', async (_, environment, words) => {
    const { code, errors } = await run({ ...environment, ALLOW_ANONYMOUS: 'yes' });
    expect(code).toBe(1);
    expect(errors).toMatch(/^[^\n]*\n$/);
    expect(errors).toContain(words);
  });

  it('names a port that is taken in one sentence', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, errors } = await run({ PORT: String(port) });
    server.close();
    expect(code).toBe(1);
    expect(errors).toMatch(/^The address is already in use[^\n]*\n$/);
  });
});

describe('a start of the service or the emulator with wrong settings', { timeout: 60_000 }, () => {
  const service = 'dist/service-main.js';
  const emulator = 'dist/emulator/main.js';
  const none = () => join(folder, 'none');

  it.each([
    [service, 'SERVICE_PORT', {}],
    [service, 'SERVICE_METRICS_PORT', { SERVICE_PORT: '0' }],
    [emulator, 'EMULATOR_PORT', {}],
  ])('of %s names %s where the port is taken', async (program, name, more) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { code, errors } = await runProgram(program, { ...more, [name]: String(port) });
    server.close();
    expect(code).toBe(1);
    expect(errors).toMatch(/^The address is already in use: set another [^\n]*\n$/);
    expect(errors).toContain(name);
  });

  it.each([
    [service, 'SERVICE_API_KEYS_FILE', () => ({ SERVICE_API_KEYS_FILE: none() })],
    [
      service,
      'SERVICE_TLS_CERT_FILE',
      () => ({ SERVICE_TLS_CERT_FILE: none(), SERVICE_TLS_KEY_FILE: none() }),
    ],
    [
      service,
      'SERVICE_TLS_CERT_FILE, SERVICE_TLS_KEY_FILE',
      async () => ({
        SERVICE_TLS_CERT_FILE: await file('ca', caPem),
        SERVICE_TLS_KEY_FILE: await file('no-key', 'canary'),
      }),
    ],
    [
      service,
      'SERVICE_HOST, SERVICE_METRICS_HOST',
      async () => ({
        SERVICE_HOST: '203.0.113.1',
        SERVICE_API_KEYS_FILE: await file('keys', 'gateway 0123456789abcdef'),
      }),
    ],
    [
      emulator,
      'EMULATOR_TLS_CERT_FILE',
      () => ({ EMULATOR_TLS_CERT_FILE: none(), EMULATOR_TLS_KEY_FILE: none() }),
    ],
    [emulator, 'HOST', () => ({ HOST: '203.0.113.1' })],
  ])('of %s names %s in one sentence', async (program, name, settings) => {
    const ports = { SERVICE_PORT: '0', EMULATOR_PORT: '0' };
    const { code, errors } = await runProgram(program, { ...ports, ...(await settings()) });
    expect(code).toBe(1);
    expect(errors).toContain(`${name}: `);
    expect(errors.trimEnd().split('\n').at(-1)).not.toContain('canary');
    expect(errors).not.toMatch(/ENOENT|\n {4}at /);
  });
});

const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';

describe('--check-config', { timeout: 60_000 }, () => {
  it('says that good settings are good, and starts and writes nothing', async () => {
    const { code, output, errors } = await run({ DATA_DIR: join(folder, 'new') }, '--check-config');
    expect({ code, output, errors }).toEqual({
      ...{ code: 0, output: 'The configuration is good.\n', errors: '' },
    });
    expect(await readdir(folder)).not.toContain('new');
  });

  it('says what is wrong', async () => {
    const { code, output, errors } = await run({ LOG_LEVEL: 'loud' }, '--check-config');
    expect(code).toBe(1);
    expect(output).toBe('');
    expect(errors).toContain('  LOG_LEVEL: must be trace, debug,');
  });

  it('is the only option', async () => {
    const { code, errors } = await run({}, '--chek-config');
    expect(code).toBe(1);
    expect(errors).toContain('--chek-config: is no option; --check-config is one');
  });

  // Everything may be written by root.
  it.skipIf(process.getuid?.() === 0)('finds a data folder that may not be written', async () => {
    const locked = join(folder, 'locked');
    await mkdir(locked);
    await chmod(locked, 0o500);
    const { errors } = await run({ DATA_DIR: join(locked, 'data') }, '--check-config');
    expect(errors).toContain('DATA_DIR: this process may not write to');
  });
});
