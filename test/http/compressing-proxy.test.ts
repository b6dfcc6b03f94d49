import { createHash } from 'node:crypto';
import { createServer, get, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { CompressingProxy } from '../support/compressing-proxy.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';

let emulator: Emulator;
let gateway: Gateway;
let proxy: CompressingProxy;

beforeAll(async () => {
  // Longer than any test here: what arrives has arrived while the image is being made.
  emulator = await startEmulator({ latencyMs: 600_000, latencySpreadRatio: 0 });
  gateway = await startGateway({ UPSTREAM_ADDRESS: emulator.address });
  proxy = await CompressingProxy.open(gateway.origin);
});
afterAll(async () => {
  await proxy.close();
  await gateway.close();
  await emulator.close();
});

const gzip = { 'accept-encoding': 'gzip, deflate, br' };

interface Asked {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function openResponse(url: string, { body, headers = {} }: Asked = {}): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    request(url, { method, headers: { ...gzip, ...json, ...headers } }, resolve)
      .on('error', reject)
      .end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The bytes that arrive until some text is among them. */
async function textUntil(response: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.includes(wanted)) break;
  }
  response.destroy();
  return text;
}

async function createdId(prompt = 'a red cat'): Promise<string> {
  const response = await gateway.create({ prompt });
  return ((await response.json()) as { id: string }).id;
}

describe('through a proxy that compresses', () => {
  it('an event stream without no-transform stands still', async () => {
    const plain = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('data: 1\n\n');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => plain.once('listening', resolve));
    const through = await CompressingProxy.open(
      `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    );
    const response = await openResponse(through.origin);
    expect(response.headers['content-encoding']).toBe('gzip');
    let text = '';
    response.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    await pause(500);
    // The header of gzip, and nothing of the event.
    expect(text.length).toBeLessThanOrEqual(10);
    response.destroy();
    await through.close();
    plain.closeAllConnections();
    plain.close();
  });

  it('events arrive as they happen', async () => {
    const url = `${proxy.origin}/operations/${await createdId()}/events`;
    expect(await textUntil(await openResponse(url), '"status":"running"')).toContain('retry:');
    const negotiated = await openResponse(`${proxy.origin}/v1/images`, {
      body: { prompt: 'a red cat' },
      headers: { accept: 'text/event-stream' },
    });
    expect(await textUntil(negotiated, '"status":"running"')).toContain('event: running');
  });

  it('OpenAI’s stream begins at once', async () => {
    const response = await openResponse(`${proxy.origin}/v1/images/generations`, {
      body: { prompt: 'a red cat', stream: true },
    });
    expect(await textUntil(response, '\n\n')).toMatch(/^: /);
  });

  it('an image stays what its ETag and digests say', async () => {
    const quick = await startEmulator({ latencyMs: 10, latencySpreadRatio: 0 });
    const served = await startGateway({
      UPSTREAM_ADDRESS: quick.address,
      UPSTREAM_POLL_INTERVAL_MS: '20',
    });
    const through = await CompressingProxy.open(served.origin);
    const created = await served.create({ prompt: 'a red cat' }, { prefer: 'wait=20' });
    const { id } = (await created.json()) as { id: string };
    for (const path of [`/operations/${id}/image`, `/operations/${id}/image?download=1`]) {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        get(`${through.origin}${path}`, { headers: gzip }, resolve).on('error', reject);
      });
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const sha256 = createHash('sha256').update(bytes);
      expect(response.headers['content-encoding']).toBeUndefined();
      expect(response.headers.etag).toBe(`"${sha256.digest('base64url')}"`);
      expect(Number(response.headers['content-length'])).toBe(bytes.length);
    }
    await through.close();
    await served.close();
    await quick.close();
  });
});
