import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from '../../src/emulator/emulator.ts';
import { startGateway, type Gateway } from '../support/gateway.ts';
import { jsonOf } from '../support/responses.ts';

let emulator: Emulator;
let gateway: Gateway;
let path: string;
let etag: string;
let lastModified: string;
let whole: Buffer;

beforeAll(async () => {
  emulator = await startEmulator({ latencyMs: 20, latencySpreadRatio: 0 });
  gateway = await startGateway({
    UPSTREAM_ADDRESS: emulator.address,
    UPSTREAM_POLL_INTERVAL_MS: '20',
  });
  const created = await jsonOf(gateway.create({ prompt: 'a red cat' }, { prefer: 'wait=20' }));
  path = `/operations/${String(created['id'])}`;
  const response = await gateway.fetch(`${path}/image`);
  etag = response.headers.get('etag') ?? '';
  lastModified = response.headers.get('last-modified') ?? '';
  whole = Buffer.from(await response.arrayBuffer());
});
afterAll(async () => {
  await gateway.close();
  await emulator.close();
});

async function get(headers: Record<string, string>, target = `${path}/image`, method = 'GET') {
  const response = await gateway.fetch(target, { method, headers });
  const body = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, body };
}

const shifted = (ms: number) => new Date(Date.parse(lastModified) + ms).toUTCString();
const digestOf = (bytes: Buffer) =>
  `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;

describe('the validators of an image', () => {
  it('that are sent are honoured: 304 for If-None-Match and If-Modified-Since', async () => {
    for (const headers of [
      { 'if-none-match': etag },
      { 'if-modified-since': lastModified },
      { 'if-modified-since': shifted(3_600_000) },
    ]) {
      const response = await get(headers);
      expect([response.status, response.body.length]).toEqual([304, 0]);
      expect(response.headers.get('etag')).toBe(etag);
      expect(response.headers.get('last-modified')).toBe(lastModified);
      expect(response.headers.get('content-digest')).toBeNull();
      expect(response.headers.get('repr-digest')).toBe(digestOf(whole));
      expect((await get(headers, `${path}/image`, 'HEAD')).status).toBe(304);
      // The same image, chosen by Accept.
      expect((await get({ ...headers, accept: 'image/*' }, path)).status).toBe(304);
    }
    expect((await get({ 'if-modified-since': shifted(-1_000) })).status).toBe(200);
    expect((await get({ 'if-modified-since': '2099' })).status).toBe(200);
  });

  it('refuse with 412 what If-Match and If-Unmodified-Since exclude', async () => {
    for (const headers of [
      { 'if-match': '"another"' },
      { 'if-match': `W/${etag}` },
      { 'if-unmodified-since': shifted(-1_000) },
    ]) {
      const response = await get(headers);
      expect(response.status).toBe(412);
      expect(response.headers.get('etag')).toBe(etag);
      expect(JSON.parse(response.body.toString())).toMatchObject({
        code: 'precondition_failed',
        retryable: false,
      });
      expect((await get(headers, `${path}/image`, 'HEAD')).status).toBe(412);
    }
    for (const headers of [
      { 'if-match': etag },
      { 'if-match': '*' },
      { 'if-unmodified-since': lastModified },
    ]) {
      expect((await get(headers)).body.equals(whole)).toBe(true);
    }
  });

  it('resume a download by ETag or by date, and start it again when they differ', async () => {
    const range = 'bytes=10-19';
    for (const ifRange of [etag, lastModified]) {
      const part = await get({ range, 'if-range': ifRange });
      expect([part.status, part.body.toString('hex')]).toEqual([
        206,
        whole.subarray(10, 20).toString('hex'),
      ]);
    }
    for (const ifRange of [`W/${etag}`, shifted(-1_000), '"another"']) {
      expect((await get({ range, 'if-range': ifRange })).status).toBe(200);
    }
  });

  it('serve curl -z: 304 and no file for what has not changed', async () => {
    const curl = async (date: string) => {
      const url = `${gateway.origin}${path}/image`;
      const options = ['-s', '-z', date, '-o', '/dev/null', '-w', '%{http_code} %{size_download}'];
      return (await promisify(execFile)('curl', [...options, url])).stdout;
    };
    expect(await curl(lastModified)).toBe('304 0');
    expect(await curl(shifted(86_400_000))).toBe('304 0');
    // With a dash, curl asks by If-Unmodified-Since.
    expect(await curl(`-${shifted(-86_400_000)}`)).toMatch(/^412 /);
    expect(await curl(shifted(-86_400_000))).toBe(`200 ${whole.length}`);
  });
});

describe('the digests of an image', () => {
  it('are of what they name: of the body on a 200, of the whole image on every response', async () => {
    const full = await get({});
    expect(full.headers.get('content-digest')).toBe(digestOf(full.body));
    expect(full.headers.get('repr-digest')).toBe(digestOf(whole));
    const part = await get({ range: 'bytes=5-99' });
    expect([part.status, part.headers.get('content-digest')]).toEqual([206, null]);
    expect(part.headers.get('repr-digest')).toBe(digestOf(whole));
    const head = await get({}, `${path}/image`, 'HEAD');
    expect([head.status, head.headers.get('content-digest')]).toEqual([200, null]);
    expect(head.headers.get('repr-digest')).toBe(digestOf(whole));
    expect(head.headers.get('content-length')).toBe(String(whole.length));
  });
});

describe('the JSON with the image inside', () => {
  it('has an ETag that is honoured, before the image is loaded', async () => {
    const inline = `${path}?include=image`;
    const first = await get({}, inline);
    const tag = first.headers.get('etag') ?? '';
    expect(tag).not.toBe((await get({}, path)).headers.get('etag'));
    const again = await get({ 'if-none-match': tag }, inline);
    expect([again.status, again.body.length]).toEqual([304, 0]);
    const head = await get({}, inline, 'HEAD');
    expect([head.status, head.headers.get('etag')]).toEqual([200, tag]);
  });
});

describe('a create', () => {
  it.each([
    { 'if-none-match': '*' },
    { 'if-match': '"none"' },
    { 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' },
    { 'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
    { range: 'bytes=0-9' },
    { range: 'bytes=999999999-' },
  ])(
    'delivers the whole image that was paid for, whatever its headers ask: %o',
    async (headers) => {
      const response = await gateway.create({ prompt: 'a cat' }, { ...headers, accept: 'image/*' });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-range')).toBeNull();
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(response.headers.get('content-digest')).toBe(digestOf(bytes));
    },
  );

  it.each(['1', '2', '999'])('sends its events whatever Last-Event-ID says: %s', async (last) => {
    const response = await gateway.create(
      { prompt: 'a cat' },
      { accept: 'text/event-stream', 'last-event-id': last },
    );
    expect(response.status).toBe(200);
    expect(await response.text()).toMatch(/event: running[^]*event: succeeded/);
  });
});
