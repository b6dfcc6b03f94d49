import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { idOf, jsonOf } from '../support/responses.ts';
import { exchange } from '../support/raw-exchange.ts';

let emulator: Emulator;
let gateway: Gateway;
let doneId: string;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 50, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
  });
  doneId = await idOf(gateway.create({ prompt: 'a cat' }, { prefer: 'wait=30' }));
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  gateway.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
const get = (path: string, headers: Record<string, string> = {}) =>
  gateway.fetch(`/operations/${doneId}${path}`, { headers });
const ignoredOf = async (response: Promise<Response>) => {
  const { status, headers } = await response;
  return [status, headers.get('x-ignored-params')];
};

const vendorBody = { modelUri: 'art://folder/yandex-art/latest', messages: [{ text: 'a cat' }] };

describe('an unknown query parameter', () => {
  it.each([
    ['?fbclid=abc', '?fbclid'],
    ['?utm_source=a&utm_medium=b', '?utm_source, ?utm_medium'],
    ['?v=2&v=3', '?v'],
    ['?_', '?_'],
    ['?=x', '?'],
    ['?__proto__=1&constructor=2', '?__proto__, ?constructor'],
    ['?%D0%BA%D0%BE%D1%82=1', '?%D0%BA%D0%BE%D1%82'],
    ['?a%2Cb=1', '?a%2Cb'],
    ['?%F0%9F%98%80=1', '?%F0%9F%98%80'],
  ])('is ignored and named: %s', async (query, named) => {
    expect(await ignoredOf(get(query))).toEqual([200, named]);
    expect(await ignoredOf(get(`/image${query}`))).toEqual([200, named]);
    expect(await ignoredOf(get(`/image${query}`, { range: 'bytes=0-9' }))).toEqual([206, named]);
  });

  it.each([
    '?%0D%0ASet-Cookie:%20a=b',
    '?%00',
    '?%ED%A0%80',
    '?%FF',
    '?%',
    `?${'x'.repeat(7_000)}`,
  ])('can not break the response to a paid create: %.30s', async (query) => {
    for (const [path, body] of [
      ['/v1/images', { prompt: 'a cat' }],
      ['/v1/images/generations', { prompt: 'a cat', response_format: 'url' }],
      ['/foundationModels/v1/imageGenerationAsync', vendorBody],
    ] as const) {
      const response = await post(`${path}${query}`, body);
      expect(response.ok).toBe(true);
      expect(response.headers.get('set-cookie')).toBeNull();
      expect(response.headers.get('x-ignored-params')).toMatch(/^[\x21-\x7e ]{1,512}$/);
    }
  });

  it('is never named by its value, and only the first of many are', async () => {
    const many = Array.from({ length: 300 }, (_, index) => `p${index}=secret`).join('&');
    const [status, named] = await ignoredOf(get(`?${many}`));
    expect(status).toBe(200);
    expect(String(named).split(', ')).toHaveLength(16);
    expect(named).not.toContain('secret');
    const long = Array.from({ length: 20 }, (_, index) => `${index}${'ж'.repeat(30)}=1`).join('&');
    const [, second] = await ignoredOf(get(`?${encodeURI(long)}`));
    expect(String(second).length).toBeLessThanOrEqual(512);
  });

  it('is named beside fields of the body', async () => {
    const lenient = post(
      '/v1/images?a=1',
      { prompt: 'a', 'b,c': 1 },
      { prefer: 'handling=lenient' },
    );
    expect(await ignoredOf(lenient)).toEqual([202, '?a, #/b%2Cc']);
    const openAi = post('/v1/images/generations?api-version=1', {
      prompt: 'a',
      style: 'vivid',
      complexity: 2,
      response_format: 'url',
    });
    expect(await ignoredOf(openAi)).toEqual([200, '?api-version, complexity, style']);
  });

  it('is named in errors too', async () => {
    const response = await gateway.fetch('/operations/op_x?cb=1');
    expect(await ignoredOf(Promise.resolve(response))).toEqual([404, '?cb']);
  });

  it.each([
    ['/v1/images?a=1&b=2', { prompt: 'a' }],
    ['/foundationModels/v1/imageGenerationAsync?a=1&b=2', vendorBody],
    ['/v1/images/generations?a=1&b=2', { prompt: 'a' }],
  ])('is refused by name with handling=strict: %s', async (path, body) => {
    const before = emulator.ledger.generates;
    const response = await post(path, body, { prefer: 'handling=strict' });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-ignored-params')).toBeNull();
    const text = await response.text();
    expect(text).toContain('a: this parameter is not known (and 1 more)');
    expect(emulator.ledger.generates).toBe(before);
  });

  it('is refused by name with handling=strict where nothing is spent', async () => {
    expect(await jsonOf(get('?cb=1', { prefer: 'handling=strict' }))).toMatchObject({
      httpStatus: 400,
      code: 'unknown_field',
      errors: [{ parameter: 'cb' }],
    });
  });
});

describe('a known query parameter', () => {
  it.each([
    ['/image?download=2', 'download'],
    ['/image?download=yes', 'download'],
    ['/image?download=1&download=1', 'download'],
    ['/image?wait=x&utm=1', 'wait'],
    ['?wait=1&wait=1', 'wait'],
    ['?include=image&include=image', 'include'],
    ['?include=images', 'include'],
    ['?include=', 'include'],
  ])('is refused with a wrong value, or twice: %s', async (path, parameter) => {
    expect(await jsonOf(get(path))).toMatchObject({
      httpStatus: 400,
      code: 'invalid_request',
      errors: [{ parameter }],
    });
  });

  it.each([
    ['?download', 'attachment'],
    ['?download=', 'attachment'],
    ['?download=1', 'attachment'],
    ['?download=true', 'attachment'],
    ['?download=True', 'attachment'],
    ['?download=0', 'inline'],
    ['?download=false', 'inline'],
    ['', 'inline'],
  ])('/image%s is %s', async (query, disposition) => {
    const response = await get(`/image${query}`);
    await response.arrayBuffer();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-disposition')).toMatch(new RegExp(`^${disposition};`));
  });
});

it('a query of megabytes is refused before it is read', async () => {
  const { statuses } = await exchange(
    gateway.origin,
    `POST /v1/images?${'x'.repeat(2_000_000)} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`,
  );
  expect(statuses).toEqual([431]);
});
