import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { contracts } from '../../src/schemas/contracts/all-contracts.ts';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { TcpGate } from '../support/tcp-gate.ts';
import { launchChromium } from './chromium.ts';

const run = promisify(execFile);
let browser: Browser;
let emulator: Emulator;
let gateway: Gateway;
let page: Page;
let consoleErrors: string[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  emulator = await startEmulator({ latencyMs: 800, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '100',
    LOG_LEVEL: 'error',
  });
});
afterEach(() => page.close());
afterAll(async () => {
  await browser.close();
  await gateway.close();
  await emulator.close();
});

/** Opens a new page, and records its errors and its requests to other hosts. */
async function open(origin = gateway.origin, viewport = { width: 1280, height: 900 }) {
  consoleErrors = [];
  const context = await browser.newContext({
    viewport,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') consoleErrors.push(message.text());
  });
  page.on('pageerror', (error) => void consoleErrors.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(?:blob|data):/.test(url)) consoleErrors.push(`asked ${url}`);
  });
  await page.goto(origin);
}

const textOf = (selector: string) => page.locator(selector).innerText();

async function makeImage(): Promise<void> {
  await page.getByRole('button', { name: 'Create the image' }).click();
  await page.locator('#status', { hasText: 'Ready after' }).waitFor();
}

async function imageWidth(): Promise<number> {
  return page
    .locator('#image')
    .evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth);
}

describe('the playground', () => {
  it('creates an image, shows its facts, keeps it, and asks no other host', async () => {
    await open();
    await page.getByLabel('Prompt', { exact: true }).fill('a red cat under a purple sky');
    await page.getByLabel('Aspect ratio').selectOption('16:9');
    await page.getByLabel('Seed').fill('1863');
    await makeImage();
    expect(await imageWidth()).toBeGreaterThan(500);
    expect(await textOf('#image-seed')).toBe('1863');
    expect(await textOf('#image-size')).toMatch(/^\d+ × \d+$/);
    expect(await textOf('#image-time')).toMatch(/^\d+\.\d s$/);
    expect(await page.locator('#image').getAttribute('alt')).toBe('a red cat under a purple sky');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/\.jpg$/);
    await makeImage();
    expect(await page.locator('#history li').count()).toBe(2);
    expect(consoleErrors).toEqual([]);
  });

  it.each(['curl', 'fetch', 'openai'])('gives the same request as %s that runs', async (name) => {
    await open();
    await page.getByLabel('Prompt', { exact: true }).fill('a cat\'s dream, "red"');
    await page.getByLabel('Aspect ratio').selectOption('3:2');
    await page.getByRole('tab', { name }).click();
    await page.getByRole('button', { name: 'Copy' }).click();
    const code = await page.evaluate<string>('navigator.clipboard.readText()');
    expect(code).toBe(await page.locator('#code').textContent());
    const before = emulator.ledger.generates;
    if (name === 'curl') await run('bash', ['-ec', code.replace('-o image.jpg', '-o /dev/null')]);
    else await run(process.execPath, ['--input-type=module', '-e', code]);
    expect(emulator.ledger.generates).toBe(before + 1);
  });

  it('shows a refused prompt at its field, and spends nothing', async () => {
    await open();
    const before = emulator.ledger.generates;
    const prompt = page.getByLabel('Prompt', { exact: true });
    await prompt.fill('x'.repeat(501));
    await page.getByRole('button', { name: 'Create the image' }).click();
    await page.locator('#prompt-violation', { hasText: '501 characters' }).waitFor();
    expect(await prompt.getAttribute('aria-invalid')).toBe('true');
    expect(await prompt.evaluate((field) => field === field.ownerDocument.activeElement)).toBe(
      true,
    );
    expect(await textOf('#problem')).toContain('Nothing was spent.');
    await prompt.fill('something forbidden');
    await page.getByRole('button', { name: 'Create the image' }).click();
    await page.locator('#problem', { hasText: 'terms of us' }).waitFor();
    expect(emulator.ledger.generates).toBe(before);
    // Chromium itself reports the error responses; the page adds nothing.
    expect(consoleErrors.filter((line) => !line.startsWith('Failed to load resource'))).toEqual([]);
  });

  it('continues after a lost connection', async () => {
    const gate = await TcpGate.open(Number(new URL(gateway.origin).port));
    await open(gate.address);
    const before = emulator.ledger.generates;
    await page.getByRole('button', { name: 'Create the image' }).click();
    await expect.poll(() => emulator.ledger.generates).toBe(before + 1);
    await page.waitForTimeout(200);
    gate.cut();
    await page.locator('#status', { hasText: 'Ready after' }).waitFor();
    expect(await imageWidth()).toBeGreaterThan(500);
    expect(emulator.ledger.generates).toBe(before + 1);
    await gate.close();
  });

  it('works by keyboard alone', async () => {
    await open();
    await page.getByLabel('Prompt', { exact: true }).focus();
    for (let steps = 0; steps < 12; steps += 1) {
      const name = await page.evaluate<string>('document.activeElement.textContent.trim()');
      if (name === 'Create the image') break;
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.locator('#status', { hasText: 'Ready after' }).waitFor();
    await page.getByRole('tab', { name: 'curl' }).focus();
    await page.keyboard.press('ArrowRight');
    expect(await textOf('#code')).toContain('await fetch(');
    expect(consoleErrors).toEqual([]);
  });

  it('fits a phone', async () => {
    await open(gateway.origin, { width: 360, height: 740 });
    await makeImage();
    const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    expect(await page.evaluate<number>(overflow)).toBe(0);
    const directory = process.env['SCREENSHOTS'];
    if (directory !== undefined) {
      await page.screenshot({ path: `${directory}/phone.png`, fullPage: true });
      await page.setViewportSize({ width: 1280, height: 900 });
      await page.screenshot({ path: `${directory}/light.png` });
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.screenshot({ path: `${directory}/dark.png` });
    }
    expect(consoleErrors).toEqual([]);
  });
});

it('the documentation page shows every route, reports no error and asks no other host', async () => {
  await open();
  await page.goto(`${gateway.origin}/docs`);
  await page.locator('.opblock').first().waitFor();
  expect(await page.locator('.opblock').count()).toBe(contracts.length);
  expect(consoleErrors).toEqual([]);
  const directory = process.env['SCREENSHOTS'];
  if (directory !== undefined) await page.screenshot({ path: `${directory}/docs.png` });
});

describe('the playground of a gateway with keys', () => {
  let file: ApiKeysFile;
  let closed: Gateway;
  beforeAll(async () => {
    file = await apiKeysFile({ shop: {} });
    closed = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
      LOG_LEVEL: 'error',
      AUTH: 'keys',
      API_KEYS_FILE: file.path,
    });
  });
  afterAll(async () => {
    await closed.close();
    await file.remove();
  });

  it('asks for a key, and works with a key or a token', async () => {
    await open(closed.origin);
    await page.getByRole('button', { name: 'Create the image' }).click();
    const key = page.getByLabel('Sent as a bearer credential');
    await key.waitFor();
    await key.fill(file.keys['shop'] ?? '');
    await makeImage();
    expect(await textOf('#code')).toContain('Authorization: Bearer $KEY');
    const created = await closed.fetch('/v1/tokens', {
      method: 'POST',
      headers: { 'x-api-key': file.keys['shop'] ?? '', 'content-type': 'application/json' },
      body: JSON.stringify({ scopes: ['images:create', 'operations:read'] }),
    });
    await key.fill(((await created.json()) as { token: string }).token);
    await makeImage();
    expect(await page.locator('#history li').count()).toBe(2);
  });
});
