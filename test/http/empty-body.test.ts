import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { exchange } from '../support/raw-exchange.ts';
import { idOf } from '../support/responses.ts';

let emulator: Emulator;
let gateway: Gateway;
let id: string;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 50, latencySpreadRatio: 0 });
  gateway = await startGateway({ UPSTREAM_ADDRESS: emulator.address });
  id = await idOf(gateway.create({ prompt: 'a cat' }));
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

/** The one response to a POST of these header lines and this body. */
async function post(path: string, lines: readonly string[], body = ''): Promise<string> {
  const head = [`POST ${path} HTTP/1.1`, 'host: x', 'connection: close', ...lines];
  return (await exchange(gateway.origin, `${head.join('\r\n')}\r\n\r\n${body}`)).text;
}

const chunked = 'transfer-encoding: chunked';
const noChunks = '0\r\n\r\n';
const withoutBody: readonly [string, string[], string?][] = [
  ['no header of a body', []],
  ['a length of 0', ['content-length: 0']],
  [
    'a form of length 0, as curl -d "" sends',
    ['content-type: application/x-www-form-urlencoded', 'content-length: 0'],
  ],
  ['a text of length 0', ['content-type: text/plain;charset=UTF-16', 'content-length: 0']],
  ['a type that can not be read', ['content-type: nonsense', 'content-length: 0']],
  ['a type and no length', ['content-type: multipart/form-data; boundary=x']],
  ['an empty type', ['content-type:', 'content-length: 0']],
  [
    'a coding of length 0',
    ['content-type: application/json', 'content-encoding: gzip', 'content-length: 0'],
  ],
  ['no chunks', [chunked], noChunks],
  ['a form of no chunks', [chunked, 'content-type: application/x-www-form-urlencoded'], noChunks],
  [
    'JSON of no chunks, compressed',
    [chunked, 'content-type: application/json', 'content-encoding: br'],
    noChunks,
  ],
];

describe('a POST without a body', () => {
  it.each(withoutBody)(
    'cancels, whatever type it names: %s',
    async (_, lines: string[] = [], body = '') => {
      expect(await post(`/operations/${id}/cancel`, lines, body)).toMatch(/^HTTP\/1\.1 200 /);
      expect(await post(`/operations/${id}:cancel`, lines, body)).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  it.each(withoutBody)(
    'is a create without JSON, whatever type it names: %s',
    async (_, lines: string[] = [], body = '') => {
      for (const path of [
        '/v1/images',
        '/v1/images/generations',
        '/foundationModels/v1/imageGenerationAsync',
      ]) {
        const text = await post(path, lines, body);
        expect(text).toMatch(/^HTTP\/1\.1 400 /);
        expect(text).toContain('malformed_json');
        expect(text).toContain('not_started');
      }
    },
  );
});

it.each([
  ['a form', ['content-type: application/x-www-form-urlencoded', 'content-length: 3'], 'a=b'],
  ['a text', ['content-type: text/plain', 'content-length: 3'], 'a=b'],
  ['a type that can not be read', ['content-type: nonsense', 'content-length: 2'], '{}'],
  ['no type', ['content-length: 2'], '{}'],
  ['a form in chunks', ['content-type: text/plain', chunked], `2\r\n{}\r\n${noChunks}`],
])('a POST with a body needs application/json: %s', async (_, lines, body) => {
  const text = await post(`/operations/${id}/cancel`, lines, body);
  expect(text).toMatch(/^HTTP\/1\.1 415 /);
  expect(text).toContain('unsupported_media_type');
});
