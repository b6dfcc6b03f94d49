import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { launchChromium } from './chromium.ts';

let browser: Browser;
let emulator: Emulator;
let gateway: Gateway;
let site: Server;
let page: Page;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 60_000, latencySpreadRatio: 0 });
  // The default settings: AUTH=none on loopback.
  gateway = await startGateway({ UPSTREAM_ADDRESS: emulator.address });
  const port = new URL(gateway.origin).port;
  site = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>A foreign site</title><link rel="icon" href="data:,">');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => site.once('listening', resolve));
  const sitePort = (site.address() as AddressInfo).port;
  // Names of other sites that lead to this machine: what DNS rebinding does.
  browser = await launchChromium([
    `--host-resolver-rules=MAP evil.example:80 127.0.0.1:${sitePort}, MAP rebound.example:${port} 127.0.0.1:${port}`,
  ]);
});

beforeEach(async () => {
  page = await browser.newPage();
  await page.goto('http://evil.example/');
});
afterEach(() => page.close());

afterAll(async () => {
  await browser.close();
  await gateway.close();
  await emulator.close();
  await new Promise((resolve) => site.close(resolve));
});

async function createdId(): Promise<string> {
  const response = await gateway.create({ prompt: 'a red cat' });
  return ((await response.json()) as { id: string }).id;
}

it('a form of a foreign page spends nothing on the vendor’s route', async () => {
  const before = emulator.ledger.generates;
  const [response] = await Promise.all([
    page.waitForResponse(/imageGenerationAsync/),
    page.evaluate(`
      const form = document.createElement('form');
      form.method = 'post';
      form.action = '${gateway.origin}/foundationModels/v1/imageGenerationAsync';
      const field = document.createElement('input');
      field.name = '{"modelUri":"art://f/yandex-art/latest","messages":[{"text":"a cat"}],"x';
      form.append(field);
      document.body.append(form);
      form.submit();`),
  ]);
  expect(response.status()).toBe(403);
  expect(emulator.ledger.generates).toBe(before);
});

it('a fetch of a foreign page spends nothing, with or without a preflight', async () => {
  const before = emulator.ledger.generates;
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/json']) {
    for (const path of ['/foundationModels/v1/imageGenerationAsync', '/v1/images']) {
      await page.evaluate(`fetch('${gateway.origin}${path}', {
        method: 'POST',
        mode: '${type === 'application/json' ? 'cors' : 'no-cors'}',
        headers: { 'content-type': '${type}' },
        body: '{"modelUri":"art://f/yandex-art/latest","messages":[{"text":"a cat"}]}',
      }).catch(() => undefined)`);
    }
  }
  expect(emulator.ledger.generates).toBe(before);
});

it('an image of a foreign page cancels nothing', async () => {
  const id = await createdId();
  await page.evaluate(`document.body.append(Object.assign(new Image(), {
    src: '${gateway.origin}/operations/${id}:cancel',
  }))`);
  // The browser itself hides the response from its tools.
  const line = () => gateway.logLines.find((text) => text.includes('::cancel')) ?? '{}';
  await expect.poll(() => JSON.parse(line())).toMatchObject({ status: 403 });
  const state = await (await gateway.fetch(`/operations/${id}`)).json();
  expect(state).toMatchObject({ status: 'running' });
});

it('a page whose name leads to this machine is served nothing', async () => {
  const before = emulator.ledger.generates;
  const { port } = new URL(gateway.origin);
  const response = await page.goto(`http://rebound.example:${port}/`);
  expect(response?.status()).toBe(421);
  // Of one origin with the gateway by now, for the browser.
  const status = await page.evaluate<number>(`fetch('/v1/images', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"prompt":"a cat"}',
  }).then(({ status }) => status)`);
  expect(status).toBe(421);
  expect(emulator.ledger.generates).toBe(before);
});
