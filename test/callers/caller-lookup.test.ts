import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newApiKey } from '../../src/callers/api-key.ts';
import {
  openCallerLookup,
  type CallerLookup,
  type CallersReload,
} from '../../src/callers/caller-lookup.ts';

let folder: string;
let path: string;
let nowMs = Date.parse('2026-11-24T00:00:00Z');
let reloads: CallersReload[] = [];
let directory: CallerLookup | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caller-directory-'));
  path = join(folder, 'keys.json');
  reloads = [];
});
afterEach(async () => {
  directory?.close();
  await rm(folder, { recursive: true, force: true });
});

function made(name: string, more: object = {}) {
  const { text, sha256, hint } = newApiKey();
  const entry = { name, keys: [{ sha256, hint, createdAt: '2026-11-23T10:00:00Z', ...more }] };
  return { text, entry };
}

async function write(text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

const writeCallers = (...callers: object[]) => write(JSON.stringify({ callers }));

async function open(): Promise<CallerLookup> {
  directory = await openCallerLookup({
    path,
    nowMs: () => nowMs,
    onReload: (result) => void reloads.push(result),
  });
  return directory;
}

async function nextReload(): Promise<CallersReload | undefined> {
  const before = reloads.length;
  for (let waited = 0; waited < 3_000 && reloads.length === before; waited += 20) await sleep(20);
  return reloads[before];
}

it('finds the caller of a key, and none for any other text', async () => {
  const shop = made('shop');
  await writeCallers({ ...shop.entry, imagesPerDayMax: 7 });
  const callers = await open();
  expect(callers.byApiKey(shop.text)).toMatchObject({
    caller: { name: 'shop', imagesPerDayMax: 7 },
  });
  expect(callers.byApiKey(newApiKey().text)).toBeUndefined();
  expect(callers.byApiKey(`${shop.text} `)).toBeUndefined();
  expect(callers.byName('shop')).toBe(callers.byApiKey(shop.text)?.caller);
});

it('refuses a key from its expiry on', async () => {
  const shop = made('shop', { expiresAt: '2026-11-24T00:00:01Z' });
  await writeCallers(shop.entry);
  const callers = await open();
  expect(callers.byApiKey(shop.text)).toBeDefined();
  nowMs += 1_000;
  expect(callers.byApiKey(shop.text)).toBeUndefined();
});

it('applies a changed file within seconds', async () => {
  const [shop, blog] = [made('shop'), made('blog')];
  await writeCallers(shop.entry);
  const callers = await open();
  const startMs = performance.now();
  await writeCallers(blog.entry);
  expect(await nextReload()).toEqual({ ok: true, callerCount: 1, keyCount: 1 });
  expect(performance.now() - startMs).toBeLessThan(10_000);
  expect(callers.byApiKey(shop.text)).toBeUndefined();
  expect(callers.byApiKey(blog.text)).toMatchObject({ caller: { name: 'blog' } });
});

it.each([
  ['broken', () => write('{"callers": [')],
  ['gone', () => rm(path)],
])('keeps its callers while the file is %s, says so once, and takes the next', async (_, fail) => {
  const [shop, blog] = [made('shop'), made('blog')];
  await writeCallers(shop.entry);
  const callers = await open();
  await fail();
  expect(await nextReload()).toMatchObject({ ok: false });
  await sleep(1_100);
  expect(reloads).toHaveLength(1);
  expect(callers.byApiKey(shop.text)).toBeDefined();
  await writeCallers(blog.entry);
  expect(await nextReload()).toMatchObject({ ok: true });
  expect(callers.byApiKey(blog.text)).toBeDefined();
});

it('does not open without a file that can be read', async () => {
  await expect(open()).rejects.toThrow('API_KEYS_FILE: names a file that does not exist');
  await write('[]');
  await expect(open()).rejects.toThrow('API_KEYS_FILE: ');
});
