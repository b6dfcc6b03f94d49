import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { reasons } from '../../src/errors/reason.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

let emulator: Emulator;
let gateway: Gateway;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 50, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
  });
});

afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

/** Sends bytes as they are and reads until the other side closes. */
function exchange(text: string): Promise<string> {
  const { hostname, port } = new URL(gateway.origin);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let response = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (response += chunk));
    socket.on('close', () => resolve(response)).on('error', reject);
  });
}

describe('paths', () => {
  it('responds to an unknown path with a problem', async () => {
    const response = await gateway.fetch('/nothing/here');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ code: 'not_found', instance: '/nothing/here' });
  });

  it.each([
    ['GET', '/v1/images', 'POST'],
    ['DELETE', '/operations/op_x', 'GET, HEAD'],
    ['POST', '/operations/op_x/image', 'GET, HEAD'],
    ['GET', '/operations/op_x/cancel', 'POST'],
    ['PUT', '/v1/operations/op_x', 'GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
  ])('responds to %s %s with 405 and Allow', async (method, path, allow) => {
    const response = await gateway.fetch(path, { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
    expect(await response.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  it('leaves the query out of the problem', async () => {
    const response = await gateway.fetch('/nothing?token=secret');
    expect(await response.text()).not.toContain('secret');
  });
});

describe('request ids', () => {
  it('are made, or kept where they are fit for a log', async () => {
    const idOf = async (given?: string) => {
      const headers = given === undefined ? {} : { 'x-request-id': given };
      const response = await gateway.fetch('/livez', { headers });
      await response.arrayBuffer();
      return response.headers.get('x-request-id');
    };
    expect(await idOf()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await idOf('my-id.1')).toBe('my-id.1');
    expect(await idOf('has space')).not.toBe('has space');
    expect(await idOf('x'.repeat(200))).toHaveLength(36);
  });
});

describe('bytes that are no request', () => {
  it('get 400, and the connection is closed', async () => {
    const response = await exchange('THIS IS NOT HTTP\r\n\r\n');
    expect(response).toMatch(/^HTTP\/1\.1 400 /);
    expect(response).toContain('"code":"invalid_request"');
  });

  it('get 431 with more than 8 KiB of headers', async () => {
    const response = await exchange(
      `GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'a'.repeat(9_000)}\r\n\r\n`,
    );
    expect(response).toMatch(/^HTTP\/1\.1 431 /);
  });

  it('get 431 with more than 100 header lines', async () => {
    const lines = Array.from({ length: 150 }, (_, index) => `x-${index}: 1\r\n`).join('');
    const response = await exchange(
      `GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}\r\n`,
    );
    expect(response).toMatch(/^HTTP\/1\.1 431 /);
    expect(response).toContain('"code":"headers_too_large"');
  });
});

describe('a request refused before any route', () => {
  const errorOf = async (path: string, lines = 'content-length: x\r\n') => {
    const text = await exchange(`POST ${path} HTTP/1.1\r\nhost: x\r\n${lines}\r\n`);
    return JSON.parse(text.split('\r\n\r\n')[1] ?? '') as unknown;
  };

  it('gets a problem whose type is absolute and whose instance is its path', async () => {
    expect(await errorOf('/v1/images?token=secret')).toMatchObject({
      type: `${gateway.origin}/problems/invalid_request`,
      status: 400,
      instance: '/v1/images',
      outcome: 'not_started',
    });
  });

  it.each([
    ['a broken Content-Length', 'content-length: x\r\n'],
    ['two hosts', 'host: y\r\n'],
    ['headers of more than 8 KiB', `x-long: ${'a'.repeat(9_000)}\r\n`],
    ['more than 100 header lines', 'x: 1\r\n'.repeat(150)],
    ['an expectation no server meets', 'expect: tea\r\n'],
  ])('gets the error form of its path: %s', async (_, lines) => {
    expect(await errorOf('/v1/images/', lines)).toMatchObject({ outcome: 'not_started' });
    expect(await errorOf('/v1/images/generations', lines)).toMatchObject({
      error: { type: 'invalid_request_error', outcome: 'not_started' },
    });
    expect(await errorOf('/foundationModels/v1/imageGenerationAsync?a=b', lines)).toMatchObject({
      code: 3,
      details: expect.arrayContaining([
        expect.objectContaining({ metadata: { outcome: 'not_started' } }),
      ]),
    });
  });
});

describe('health', () => {
  it('is live and ready', async () => {
    expect((await gateway.fetch('/livez')).status).toBe(200);
    await expect.poll(async () => (await gateway.fetch('/readyz')).status).toBe(200);
  });
});

describe('/problems', () => {
  it.each([...reasons])('explains %s to programs and to people', async (reason) => {
    const response = await gateway.fetch(`/problems/${reason}`);
    expect(await response.json()).toMatchObject({
      code: reason,
      advice: expect.any(String) as string,
    });
    const page = await gateway.fetch(`/problems/${reason}`, { headers: { accept: 'text/html' } });
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await page.text()).toContain(reason);
  });

  it('knows no other codes', async () => {
    expect((await gateway.fetch('/problems/nonsense')).status).toBe(404);
  });
});

describe('documents', () => {
  it('are served in both versions', async () => {
    expect(await (await gateway.fetch('/openapi.json')).json()).toMatchObject({ openapi: '3.1.0' });
    expect(await (await gateway.fetch('/openapi-3.0.json')).json()).toMatchObject({
      openapi: '3.0.3',
    });
  });

  it('are shown at /docs from this origin alone', async () => {
    const page = await gateway.fetch('/docs');
    const html = await page.text();
    expect(page.status).toBe(200);
    const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) expect(new URL(link, page.url).origin).toBe(gateway.origin);
    expect(page.headers.get('content-security-policy')).toBeTruthy();
  });

  it.each(['nothing.js', '%2e%2e%2fpackage.json', 'x'.repeat(700)])(
    'have no file %s, which is the 404 of every other path',
    async (name) => {
      const response = await gateway.fetch(`/docs/static/${name}`);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await response.json()).toMatchObject({ status: 404, code: 'not_found' });
    },
  );
});

describe('the log', () => {
  it('has one line a request, without prompt, query or credentials', async () => {
    const response = await gateway.create(
      { prompt: 'canary-prompt', negativePrompt: 'canary-negative' },
      { authorization: 'Bearer canary-token', 'x-request-id': 'log-test', prefer: 'wait=20' },
    );
    const { id } = (await response.json()) as { id: string };
    await (await gateway.fetch(`/operations/${id}/image?wait=1&download=1`)).arrayBuffer();
    const lines = () => gateway.logLines.filter((line) => line.includes('"requestId":"log-test"'));
    await expect.poll(() => lines().length).toBe(1);
    expect((JSON.parse(lines()[0] ?? '') as { ms: number }).ms).toBeGreaterThan(10);
    expect(JSON.parse(lines()[0] ?? '')).toMatchObject({
      method: 'POST',
      route: '/v1/images',
      status: 200,
      upstreamCode: 'OK',
      outcome: 'accepted',
      operationId: id,
      ms: expect.any(Number) as number,
    });
    expect(gateway.logLines.join('')).not.toMatch(/canary|download=1/);
  });
});
