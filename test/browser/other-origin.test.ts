import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { apiKeysFile, type ApiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { launchChromium } from './chromium.ts';

let browser: Browser;
let shop: Server;
let shopOrigin: string;
let file: ApiKeysFile;
let gateway: Gateway;
let page: Page;

beforeAll(async () => {
  // A page of somebody else's, on an origin of its own.
  shop = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>A shop</title><link rel="icon" href="data:,">');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => shop.once('listening', resolve));
  shopOrigin = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
  file = await apiKeysFile({ shop: {} });
  gateway = await startGateway({
    DRAWING_DELAY_MS: '600',
    CORS_ORIGINS: shopOrigin,
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
    LOG_LEVEL: 'error',
  });
  browser = await launchChromium();
  page = await browser.newPage();
  await page.goto(shopOrigin);
});
afterAll(async () => {
  await browser.close();
  await gateway.close();
  await file.remove();
  await new Promise((resolve) => shop.close(resolve));
});

/** Runs in the page; `gateway` and `token` are given. */
async function inPage<Result>(program: string): Promise<Result> {
  const lent = await gateway.fetch('/v1/tokens', {
    method: 'POST',
    headers: { 'x-api-key': file.keys['shop'] ?? '', 'content-type': 'application/json' },
    body: JSON.stringify({ scopes: ['images:create', 'operations:read'] }),
  });
  const { token } = (await lent.json()) as { token: string };
  const given = `const gateway = '${gateway.origin}'; const token = '${token}';`;
  return page.evaluate<Result>(`(async () => { ${given} ${program} })()`);
}

const create = `
  const response = await fetch(gateway + '/v1/images', {
    method: 'POST',
    headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() },
    body: JSON.stringify({ prompt: 'a red cat' }),
  });
  const operation = await response.json();`;

it('a page of a shop creates with fetch, listens with EventSource, and shows the image in an <img>', async () => {
  const seen = await inPage<Record<string, unknown>>(`${create}
    const states = [];
    await new Promise((resolve, reject) => {
      const events = new EventSource(operation.urls.events);
      for (const name of ['running', 'succeeded', 'failed']) {
        events.addEventListener(name, ({ data }) => {
          states.push(JSON.parse(data).status);
          if (name !== 'running') { events.close(); resolve(); }
        });
      }
      setTimeout(() => reject(new Error('no end')), 20000);
    });
    const image = new Image();
    image.crossOrigin = 'anonymous';
    image.src = operation.urls.image;
    await image.decode();
    return {
      status: response.status,
      operationId: response.headers.get('x-operation-id'),
      retryAfter: response.headers.get('retry-after'),
      id: operation.id,
      states,
      width: image.naturalWidth,
    };`);
  expect(seen).toMatchObject({ status: 202, states: ['running', 'succeeded'] });
  expect(seen['operationId']).toBe(seen['id']);
  expect(seen['retryAfter']).toMatch(/^\d+$/);
  expect(seen['width']).toBeGreaterThan(500);
});

it('an <img> waits for its image by itself', async () => {
  const width = await inPage<number>(`${create}
    const image = new Image();
    image.src = operation.urls.image + '&wait=60';
    await image.decode();
    return image.naturalWidth;`);
  expect(width).toBeGreaterThan(500);
});

it('an EventSource of what is over ends, and stays ended', async () => {
  const count = await inPage<number>(`${create}
    let opened = 0;
    const events = new EventSource(operation.urls.events);
    events.addEventListener('open', () => (opened += 1));
    await new Promise((resolve) => events.addEventListener('succeeded', resolve));
    // It comes back once, after two seconds, and is told that there is nothing more.
    await new Promise((resolve) => setTimeout(resolve, 4500));
    return events.readyState === EventSource.CLOSED ? opened : -1;`);
  expect(count).toBe(1);
});

it('reads refusals, and the headers that a client of OpenAI sends are let through', async () => {
  const seen = await inPage<Record<string, unknown>>(`
    const response = await fetch(gateway + '/v1/images/generations', {
      method: 'POST',
      headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json', 'x-stainless-lang': 'js', 'x-stainless-retry-count': '0', 'x-stainless-timeout': '60' },
      body: JSON.stringify({ prompt: '' }),
    });
    return { status: response.status, type: (await response.json()).error.type, again: response.headers.get('x-should-retry') };`);
  expect(seen).toEqual({ status: 400, type: 'invalid_request_error', again: 'false' });
});

it('a page that is not on the list reads nothing', async () => {
  const stranger = await browser.newPage();
  await stranger.goto(shopOrigin.replace('127.0.0.1', 'localhost'));
  const outcome = await stranger.evaluate<string>(
    `fetch('${gateway.origin}/operations/op_x').then(() => 'read', (error) => error.name)`,
  );
  expect(outcome).toBe('TypeError');
  await stranger.close();
});
