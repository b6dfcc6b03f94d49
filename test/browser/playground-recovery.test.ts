import type { Browser, BrowserContext, Page, Route } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { apiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { launchChromium } from './chromium.ts';

let browser: Browser;
let emulator: Emulator;
let gateway: Gateway;
let context: BrowserContext;
let page: Page;
let paidBefore: number;

const latencyMs = 800;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '100',
    LOG_LEVEL: 'error',
  });
  const { port } = new URL(gateway.origin);
  // A plain http address that is not of this machine, as far as the browser knows.
  browser = await launchChromium([`--host-resolver-rules=MAP lan:80 127.0.0.1:${port}`]);
});
beforeEach(async () => {
  context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  page = await context.newPage();
  await page.goto(gateway.origin);
  paidBefore = emulator.ledger.generates;
});
afterEach(() => context.close());
afterAll(async () => {
  await browser.close();
  await gateway.close();
  await emulator.close();
});

const paid = () => emulator.ledger.generates - paidBefore;
const click = () => page.getByRole('button', { name: 'Create the image' }).click();
const tryAgain = () => page.getByRole('button', { name: 'Try again' });
const ready = () => page.locator('#status', { hasText: 'Ready after' }).waitFor();
const textOf = (selector: string) => page.locator(selector).innerText();

async function imageWidth(): Promise<number> {
  return page
    .locator('#image')
    .evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth);
}

/** Lets creates through to the gateway, and loses their responses for as long as `isLost` says. */
async function loseResponses(isLost: (count: number) => boolean): Promise<() => number> {
  let count = 0;
  await page.route('**/v1/images', async (route: Route) => {
    count += 1;
    if (!isLost(count)) return route.continue();
    await route.fetch().catch(() => undefined);
    return route.abort('connectionreset');
  });
  return () => count;
}

describe('a create whose response is lost', () => {
  it('is sent again with the same key by itself, and paid once', async () => {
    const sent = await loseResponses((count) => count < 3);
    await click();
    await ready();
    expect(await imageWidth()).toBeGreaterThan(500);
    expect([sent(), paid()]).toEqual([3, 1]);
  });

  it('is sent again with the same key by the next click, and paid once', async () => {
    let isDown = true;
    await loseResponses(() => isDown);
    await click();
    await tryAgain().waitFor();
    expect(await textOf('#problem')).toContain('No response');
    expect(paid()).toBe(1);
    isDown = false;
    await click();
    await ready();
    expect(paid()).toBe(1);
    // It was answered: the same request is a new image now.
    await click();
    await expect.poll(paid).toBe(2);
    await ready();
  });

  it('is sent again with the same key after another one was sent in between', async () => {
    let isDown = true;
    await loseResponses(() => isDown);
    const prompt = page.getByLabel('Prompt', { exact: true });
    await prompt.fill('a lost cat');
    await click();
    await tryAgain().waitFor();
    isDown = false;
    await prompt.fill('another cat');
    await click();
    await ready();
    await prompt.fill('a lost cat');
    await click();
    await ready();
    expect(paid()).toBe(2);
  });

  it('is sent again after a reload, and paid once', async () => {
    let isDown = true;
    await loseResponses(() => isDown);
    await page.getByLabel('Prompt', { exact: true }).fill('a cat that was reloaded');
    await page.getByLabel('Aspect ratio').selectOption('16:9');
    await click();
    await expect.poll(paid).toBe(1);
    isDown = false;
    await page.reload();
    await ready();
    expect(paid()).toBe(1);
    expect(await page.getByLabel('Prompt', { exact: true }).inputValue()).toBe(
      'a cat that was reloaded',
    );
    expect(await page.getByLabel('Aspect ratio').inputValue()).toBe('16:9');
  });

  it('is sent again when only a part of it came, or a proxy spoke in its place', async () => {
    let count = 0;
    await page.route('**/v1/images', async (route: Route) => {
      count += 1;
      if (count > 2) return route.continue();
      const response = await route.fetch();
      if (count === 1) return route.fulfill({ response, body: '{"id":"op_' });
      return route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>502</h1>' });
    });
    await click();
    await ready();
    expect([count, paid()]).toEqual([3, 1]);
  });
});

describe('an image whose bytes are lost', () => {
  it('is fetched again', async () => {
    let count = 0;
    await page.route('**/image?**', (route) => {
      count += 1;
      return count < 3 ? route.abort('connectionreset') : route.continue();
    });
    await click();
    await ready();
    expect([await imageWidth(), paid()]).toEqual([expect.any(Number), 1]);
    expect(count).toBe(3);
  });

  it('stays reachable by its id, its link and a button', async () => {
    let isDown = true;
    await page.route('**/image?**', (route) =>
      isDown ? route.abort('connectionreset') : route.continue(),
    );
    await click();
    await tryAgain().waitFor();
    expect(await textOf('#operation-id')).toMatch(/^op_/);
    const link = await page.getByRole('link', { name: 'Open the image' }).getAttribute('href');
    expect((await fetch(link ?? '')).headers.get('content-type')).toMatch(/^image\//);
    isDown = false;
    await tryAgain().click();
    await ready();
    expect(await imageWidth()).toBeGreaterThan(500);
    expect(paid()).toBe(1);
  });
});

describe('a reload', () => {
  it('takes up an image that is being made', async () => {
    await page.getByLabel('Prompt', { exact: true }).fill('a cat that takes its time');
    await click();
    await page.locator('#operation-id').waitFor();
    const id = await textOf('#operation-id');
    expect(page.url()).toContain(`#operation=${id}`);
    await page.reload();
    await ready();
    expect(await textOf('#operation-id')).toBe(id);
    expect(await imageWidth()).toBeGreaterThan(500);
    expect(await page.getByLabel('Prompt', { exact: true }).inputValue()).toBe(
      'a cat that takes its time',
    );
    expect(paid()).toBe(1);
  });

  it('shows a finished image again, and keeps the others of this tab', async () => {
    await click();
    await ready();
    const first = await textOf('#operation-id');
    await click();
    await page.locator('#operation-id', { hasNotText: first }).waitFor();
    await ready();
    await page.reload();
    await ready();
    expect(await page.locator('#history li').count()).toBe(2);
    await page.locator('#history li button').nth(1).click();
    await page.locator('#operation-id', { hasText: first }).waitFor();
    await ready();
    expect(paid()).toBe(2);
  });

  it('opens in another tab by its URL', async () => {
    await click();
    await ready();
    const other = await context.newPage();
    await other.goto(page.url());
    await other.locator('#status', { hasText: 'Ready after' }).waitFor();
    expect(paid()).toBe(1);
  });

  it('of an operation that is not known says so, and is over', async () => {
    await page.goto(`${gateway.origin}/#operation=op_unknown`);
    await page.reload();
    await expect.poll(() => textOf('#problem')).toMatch(/\S/);
    expect(await tryAgain().isVisible()).toBe(false);
    expect(page.url()).not.toContain('op_unknown');
  });

  it('asks for the key again where one is needed, and goes on with it', async () => {
    const file = await apiKeysFile({ shop: {} });
    const keyed = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
      LOG_LEVEL: 'error',
      AUTH: 'keys',
      API_KEYS_FILE: file.path,
    });
    await page.goto(keyed.origin);
    await page.getByText('API key or token').click();
    const key = page.getByLabel('Sent as a bearer credential');
    await key.fill(file.keys['shop'] ?? '');
    await click();
    await page.locator('#operation-id').waitFor();
    await page.reload();
    await tryAgain().waitFor();
    expect(await key.inputValue()).toBe('');
    await key.fill(file.keys['shop'] ?? '');
    await tryAgain().click();
    await ready();
    expect(paid()).toBe(1);
    const kept = await page.evaluate<string>('JSON.stringify({ ...sessionStorage })');
    expect(kept).not.toContain(file.keys['shop']);
    await keyed.close();
    await file.remove();
  });
});

describe('a create whose response is lost, where a key is needed,', () => {
  it('is paid once although a reload forgets the key', async () => {
    const file = await apiKeysFile({ shop: {} });
    const keyed = await startGateway({
      UPSTREAM_ADDRESS: emulator.address,
      UPSTREAM_POLL_INTERVAL_MS: '100',
      LOG_LEVEL: 'error',
      AUTH: 'keys',
      API_KEYS_FILE: file.path,
    });
    let isDown = true;
    await loseResponses(() => isDown);
    await page.goto(keyed.origin);
    await page.getByText('API key or token').click();
    const key = page.getByLabel('Sent as a bearer credential');
    await key.fill(file.keys['shop'] ?? '');
    await click();
    await expect.poll(paid).toBe(1);
    isDown = false;
    await page.reload();
    await tryAgain().waitFor();
    await key.fill(file.keys['shop'] ?? '');
    await click();
    await ready();
    expect(paid()).toBe(1);
    await keyed.close();
    await file.remove();
  });
});

describe('on a plain http address that is not of this machine', () => {
  it('images are made and code is copied', async () => {
    await page.goto('http://lan/');
    expect(await page.evaluate('[isSecureContext, typeof crypto.randomUUID]')).toEqual([
      false,
      'undefined',
    ]);
    await click();
    await ready();
    expect(paid()).toBe(1);
    const code = await page.locator('#code').textContent();
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const prompt = page.getByLabel('Prompt', { exact: true });
    await prompt.fill('');
    await prompt.press('Control+V');
    expect(await prompt.inputValue()).toBe(code);
  });
});
