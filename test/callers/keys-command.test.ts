import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callersFromText } from '../../src/callers/callers-file-format.ts';
import { openCallerLookup } from '../../src/callers/caller-lookup.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keys-command-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let fileCount = 0;
function newPath(): string {
  fileCount += 1;
  return join(folder, `${fileCount}`, 'api-keys.json');
}

/** The command as an operator runs it, in a process of its own. */
async function keys(...args: string[]) {
  const child = spawn(process.execPath, ['dist/keys.js', ...args], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (out.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, ...out };
}

describe('npm run keys', () => {
  it('makes a key, prints it once, and keeps its hash for the gateway', async () => {
    const file = newPath();
    const options = ['--images-per-day', '5', '--models', 'yandex-art,other'];
    const { code, stdout, stderr } = await keys('create', 'shop', '--file', file, ...options);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^igk_\w{33}\n$/) });
    const key = stdout.trim();
    expect(stderr).not.toContain(key);
    const text = await readFile(file, 'utf8');
    expect(text).not.toContain(key.slice(8));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const lookup = await openCallerLookup({ path: file, nowMs: Date.now, onReload() {} });
    expect(lookup.byApiKey(key)?.caller).toEqual({
      name: 'shop',
      imagesPerDayMax: 5,
      models: ['yandex-art', 'other'],
    });
    lookup.close();
  });

  it('lists and revokes by hint, and shows no key again', async () => {
    const file = newPath();
    const first = (await keys('create', 'shop', '--file', file)).stdout.trim();
    const second = (await keys('create', 'shop', '--file', file)).stdout.trim();
    const listed = await keys('list', '--file', file);
    expect(listed.stdout).toContain(`${first.slice(0, 8)}…`);
    expect(listed.stdout).not.toContain(first.slice(8));
    const revoked = await keys('revoke', 'shop', first.slice(0, 8), '--file', file);
    expect(revoked.code).toBe(0);
    const { callers } = callersFromText(await readFile(file, 'utf8'));
    expect(callers[0]?.keys.map(({ hint }) => hint)).toEqual([second.slice(0, 8)]);
    expect((await keys('revoke', 'shop', first, '--file', file)).code).toBe(1);
  });

  it('removes a caller with all its keys', async () => {
    const file = newPath();
    await keys('create', 'shop', '--file', file);
    await keys('create', 'blog', '--file', file);
    expect((await keys('remove', 'shop', '--file', file)).code).toBe(0);
    const { callers } = callersFromText(await readFile(file, 'utf8'));
    expect(callers.map(({ name }) => name)).toEqual(['blog']);
    expect((await keys('remove', 'shop', '--file', file)).code).toBe(1);
  });

  it('keeps all of eight keys that are made at once', async () => {
    const file = newPath();
    const names = Array.from({ length: 8 }, (_, index) => `caller-${index}`);
    const results = await Promise.all(names.map((name) => keys('create', name, '--file', file)));
    const made = results.filter(({ code }) => code === 0).length;
    const { callers } = callersFromText(await readFile(file, 'utf8'));
    expect(callers).toHaveLength(made);
    expect(made).toBeGreaterThanOrEqual(1);
    expect(await readdir(join(file, '..'))).toEqual(['api-keys.json']);
  });

  it.each([
    ['no command', [], /which command\?/],
    ['an unknown command', ['make', 'x'], /not a command/],
    ['no name', ['create'], /NAME must be/],
    ['an odd name', ['create', 'a b'], /NAME must be/],
    ['a limit of 0', ['create', 'a', '--concurrent', '0'], /--concurrent must be/],
    ['a day that has passed', ['create', 'a', '--expires', '2020-01-01'], /--expires must be/],
    ['a day that is none', ['create', 'a', '--expires', '2099-02-30'], /--expires must be/],
    ['an unknown option', ['create', 'a', '--frequency', '1'], /frequency/],
  ])('given %s says how it is used, and changes nothing', async (_, args, words) => {
    const file = newPath();
    const { code, stderr, stdout } = await keys(...args, '--file', file);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(words);
    expect(stderr).toContain('usage: npm run keys');
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('leaves a file that it cannot read as it is', async () => {
    const file = join(folder, 'broken.json');
    await writeFile(file, '{"callers": 1}');
    const { code, stderr } = await keys('create', 'shop', '--file', file);
    expect(code).toBe(1);
    expect(stderr).toContain('callers:');
    expect(await readFile(file, 'utf8')).toBe('{"callers": 1}');
  });
});
