import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { apiKeysFile } from '../support/api-keys.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { send, type HttpResponse } from '../support/http-client.ts';

let emulator: Emulator;
let gateway: Gateway;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 60_000, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    PUBLIC_URL: 'https://images.example.org',
    ALLOWED_HOSTS: 'cats.example.com, *.dogs.example.com, *.B\u00fccher.example',
    CORS_ORIGINS: 'https://shop.example, https://*.pages.example',
  });
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

const prompt = { prompt: 'a red cat' };

async function ofHost(host: string, path = '/v1/models', headers: Record<string, string> = {}) {
  return send(`${gateway.origin}${path}`, { headers: { host, ...headers } });
}

function codeOf({ body }: HttpResponse): unknown {
  return (JSON.parse(body.toString()) as { code?: unknown }).code;
}

describe('without credentials, a Host', () => {
  it.each([
    'localhost',
    'localhost:8080',
    'LOCALHOST.',
    'gateway',
    'gateway:80',
    '127.0.0.1',
    '127.0.0.1:8080',
    '127.1',
    '2130706433',
    '192.168.1.20',
    '203.0.113.7:80',
    '[::1]:8080',
    '[::ffff:127.0.0.1]',
    '[2001:db8::1]',
    'app.localhost:3000',
    'printer.local',
    'gateway.internal',
    'gateway.home.arpa',
    'gateway.default.svc',
    'gateway.default.svc.cluster.local',
    'images.example.org',
    'IMAGES.example.org:8443',
    'images.example.org.',
    'cats.example.com',
    'CATS.example.com.:80',
    'big.dogs.example.com',
    'very.big.dogs.example.com',
    'a.xn--bcher-kva.example',
  ])('%s is served', async (host) => {
    expect((await ofHost(host)).status).toBe(200);
  });

  it.each([
    'evil.example',
    'evil.example:8080',
    'EVIL.EXAMPLE.',
    '127.0.0.1.evil.example',
    'rebind.127.0.0.1.nip.io',
    'localhost.evil.example',
    'images.example.org.evil.example',
    'evilimages.example.org',
    'example.org',
    'sub.cats.example.com',
    'dogs.example.com',
    'bigdogs.example.com',
    'x.svc.evil.example',
    'xlocal.example',
    'e%76il.example',
    'a..b',
  ])('%s is refused', async (host) => {
    const refused = await ofHost(host, '/operations/op_x');
    expect([refused.status, codeOf(refused)]).toEqual([421, 'host_refused']);
    const { detail } = JSON.parse(refused.body.toString()) as { detail: string };
    expect(detail).toContain('ALLOWED_HOSTS');
    expect(detail.toLowerCase()).not.toContain(host.toLowerCase().replace(/[.:].*/, '') + '.');
  });

  it('is refused in the form of each surface, on pages and unknown paths too, and nothing is spent', async () => {
    const headers = { host: 'evil.example' };
    const create = (path: string) => send(`${gateway.origin}${path}`, { headers, body: prompt });
    const native = await create('/v1/images');
    expect(JSON.parse(native.body.toString())).toMatchObject({
      status: 421,
      code: 'host_refused',
      outcome: 'not_started',
      retryable: false,
    });
    const openAi = await create('/v1/images/generations');
    expect([openAi.status, openAi.headers['x-should-retry']]).toEqual([421, 'false']);
    expect(JSON.parse(openAi.body.toString())).toMatchObject({ error: { code: 'host_refused' } });
    const vendor = await create('/foundationModels/v1/imageGenerationAsync');
    expect([vendor.status, codeOf(vendor)]).toEqual([403, 7]);
    for (const path of ['/', '/docs', '/openapi.json', '/nothing', '/problems/not_found']) {
      expect([path, (await ofHost('evil.example', path)).status]).toEqual([path, 421]);
    }
    expect(emulator.ledger.generates).toBe(0);
  });

  it('is not asked of probes', async () => {
    expect((await ofHost('evil.example', '/livez')).status).toBe(200);
    expect((await ofHost('evil.example', '/readyz')).status).toBe(200);
  });

  it('is never read from forwarding headers', async () => {
    const forwarded = (host: string) => ({
      'x-forwarded-host': host,
      forwarded: `host=${host}`,
      'x-original-host': host,
    });
    expect((await ofHost('evil.example', '/v1/models', forwarded('localhost'))).status).toBe(421);
    expect((await ofHost('localhost', '/v1/models', forwarded('evil.example'))).status).toBe(200);
  });
});

describe('without credentials, a request of a page', () => {
  const vendorPath = '/foundationModels/v1/imageGenerationAsync';
  const form = 'application/x-www-form-urlencoded';

  async function post(headers: Record<string, string>, path = '/v1/images'): Promise<HttpResponse> {
    return send(`${gateway.origin}${path}`, { headers, body: prompt });
  }

  it.each<[string, Record<string, string>]>([
    ['of no browser', {}],
    ['of its own address', { host: 'localhost:8080', origin: 'http://localhost:8080' }],
    ['of its own address behind TLS', { host: 'localhost', origin: 'https://localhost' }],
    ['of its own address, port by default', { host: 'gw:443', origin: 'https://gw' }],
    [
      'of PUBLIC_URL behind a proxy',
      { host: 'gateway:8080', origin: 'https://images.example.org' },
    ],
    ['of PUBLIC_URL in capitals', { origin: 'HTTPS://Images.Example.org:443' }],
    ['of a listed origin', { origin: 'https://shop.example', 'sec-fetch-site': 'cross-site' }],
    ['of a listed pattern', { origin: 'https://a.pages.example' }],
    ['of the address bar', { 'sec-fetch-site': 'none' }],
    ['of its own site', { 'sec-fetch-site': 'same-origin' }],
  ])('%s is served', async (_, headers) => {
    expect((await post(headers)).status).toBe(202);
  });

  const foreign: [string, Record<string, string>][] = [
    ['of another site', { origin: 'https://evil.example' }],
    [
      'of another port of this machine',
      { host: 'localhost:8080', origin: 'http://localhost:3000' },
    ],
    ['of no origin', { origin: 'null' }],
    ['of an empty origin', { origin: '' }],
    ['of something else', { origin: 'localhost' }],
    ['of a file', { origin: 'file://' }],
    ['of an app that is not listed', { host: 'localhost', origin: 'tauri://localhost' }],
    ['of a longer name', { origin: 'https://images.example.org.evil.example' }],
    ['without Origin, cross-site', { 'sec-fetch-site': 'cross-site' }],
  ];
  it.each(foreign)('%s is refused, and nothing is spent', async (_, headers) => {
    const before = emulator.ledger.generates;
    const native = await post(headers);
    expect([native.status, codeOf(native)]).toEqual([403, 'cross_site_refused']);
    expect(JSON.parse(native.body.toString())).toMatchObject({ outcome: 'not_started' });
    const vendor = await post({ ...headers, 'content-type': form }, vendorPath);
    expect([vendor.status, codeOf(vendor)]).toEqual([403, 7]);
    const openAi = await post(headers, '/v1/images/generations');
    expect(openAi.status).toBe(403);
    const token = await post(headers, '/v1/tokens');
    expect(token.status).toBe(403);
    expect(emulator.ledger.generates).toBe(before);
  });

  it.each(foreign)('%s cancels nothing', async (_, headers) => {
    const created = await gateway.create(prompt);
    const { id } = (await created.json()) as { id: string };
    const cancel = (path: string, method: 'GET' | 'POST') =>
      send(`${gateway.origin}${path}`, { method, headers });
    expect((await cancel(`/operations/${id}:cancel`, 'GET')).status).toBe(403);
    expect((await cancel(`/operations/${id}:cancel`, 'POST')).status).toBe(403);
    expect((await cancel(`/operations/${id}/cancel`, 'POST')).status).toBe(403);
    expect((await cancel(`/v1/operations/${id}/cancel/`, 'POST')).status).toBe(403);
    const state = await gateway.fetch(`/operations/${id}`);
    expect(await state.json()).toMatchObject({ status: 'running' });
    // Reading changes nothing, and what is read stays unreadable for the page.
    const read = await cancel(`/operations/${id}`, 'GET');
    expect([read.status, read.headers['access-control-allow-origin']]).toEqual([200, undefined]);
  });

  it('of any origin is served where CORS_ORIGINS is *', async () => {
    const open = await startGateway({ UPSTREAM_ADDRESS: emulator.address, CORS_ORIGINS: '*' });
    for (const origin of ['https://evil.example', 'null', 'app://x']) {
      const response = await open.create(prompt, { origin, 'sec-fetch-site': 'cross-site' });
      expect([origin, response.status]).toEqual([origin, 202]);
      await response.arrayBuffer();
    }
    await open.close();
  });
});

it('with credentials every Host and every origin is served, as no browser sends a credential by itself', async () => {
  const file = await apiKeysFile({ shop: {} });
  const keyed = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    AUTH: 'keys',
    API_KEYS_FILE: file.path,
  });
  const response = await send(`${keyed.origin}/v1/images`, {
    headers: {
      host: 'evil.example',
      origin: 'https://evil.example',
      'x-api-key': file.keys['shop'] ?? '',
    },
    body: prompt,
  });
  expect(response.status).toBe(202);
  expect(response.headers['access-control-allow-origin']).toBeUndefined();
  await keyed.close();
  await file.remove();
});
