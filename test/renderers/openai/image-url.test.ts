import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Resolve } from '../../../src/renderers/public-address.ts';
import { isPublicAddress, publicLookup } from '../../../src/renderers/public-address.ts';
import { RendererError } from '../../../src/renderers/renderer.ts';
import { HttpBackend, jsonResponse, png, rawResponse } from '../http-backend.ts';
import { attemptOf, outcomeOf, rendererFor, request } from './renderer-under-test.ts';

let backend: HttpBackend;
let other: HttpBackend;
beforeEach(async () => {
  backend = await HttpBackend.listen();
  other = await HttpBackend.listen();
  backend.onGet = sendsImage;
  other.onGet = sendsImage;
});
afterEach(() => Promise.all([backend.close(), other.close()]));

const sendsImage: HttpBackend['onGet'] = (socket) =>
  socket.end(
    rawResponse(200, { 'content-type': 'image/png', 'content-length': png().length }, png()),
  );

/** Every name leads to this machine, as a name of an attacker's would. */
const toLoopback: Resolve = (_, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);

/** Renders, with a response that only names an address. */
function outcomeAt(url: string, dialect: 'xai' | 'localai' = 'xai', attempt = attemptOf()) {
  backend.onPost = (socket) => socket.end(jsonResponse(200, { data: [{ url }] }));
  const renderer = rendererFor(backend.url, {
    ...{ dialect, resolve: toLoopback, readKey: async () => 'sk-secret' },
  });
  return outcomeOf(renderer, attempt);
}

describe('an image at an address of the backend', () => {
  it('is fetched once, without the credential, after the address was kept', async () => {
    const attempt = attemptOf();
    const url = `${backend.url}/generated-images/1.png?signature=x`;
    expect(await outcomeAt(url, 'xai', attempt)).toMatchObject({ mediaType: 'image/png' });
    expect(attempt.references).toStrictEqual([url]);
    expect([backend.posts.length, backend.gets.length]).toStrictEqual([1, 1]);
    expect(backend.posts[0]?.headers['authorization']).toBe('Bearer sk-secret');
    expect(backend.gets[0]).toMatchObject({ path: '/generated-images/1.png?signature=x' });
    expect(backend.gets[0]?.headers).not.toHaveProperty('authorization');
    expect(backend.gets[0]?.headers['accept-encoding']).toBe('identity');
  });

  it.each(['/images/1.png', 'http://localai.internal:8080/images/1.png'])(
    'of one’s own is looked for on its own origin only: %s',
    async (url) => {
      expect(await outcomeAt(url, 'localai')).toMatchObject({ mediaType: 'image/png' });
      expect(backend.gets[0]?.path).toBe('/images/1.png');
    },
  );

  it('is not fetched before the address was kept', async () => {
    const failing = { ...attemptOf(), submitted: () => Promise.reject(new Error('disk full')) };
    await expect(outcomeAt(`${backend.url}/1.png`, 'xai', failing as never)).rejects.toThrow(
      'disk',
    );
    expect(backend.gets).toHaveLength(0);
  });

  it('that can’t be fetched is unknown, and is kept to look for', async () => {
    backend.onGet = (socket) => socket.resetAndDestroy();
    const attempt = attemptOf();
    expect(await outcomeAt(`${backend.url}/1.png`, 'xai', attempt)).toMatchObject({
      failure: 'unknown',
    });
    expect(attempt.references).toStrictEqual([`${backend.url}/1.png`]);
    expect([backend.posts.length, backend.gets.length]).toStrictEqual([1, 1]);
  });

  it('follows redirects on the same host, three at most', async () => {
    backend.onGet = (socket, { path }) => {
      const step = Number(path.slice(1));
      if (step >= 3) return sendsImage(socket, backend.gets[0]!);
      socket.end(rawResponse(302, { location: `/${step + 1}`, 'content-length': 0 }));
    };
    expect(await outcomeAt(`${backend.url}/0`)).toMatchObject({ mediaType: 'image/png' });
    expect(await outcomeAt(`${backend.url}/-1`)).toMatchObject({ failure: 'no_image' });
  });
});

describe('an address that is not gone to', () => {
  it.each([
    ['link-local', () => 'https://169.254.169.254/latest/meta-data'],
    ['loopback in decimal', () => 'https://2130706433/'],
    ['loopback as mapped IPv6', () => 'https://[::ffff:127.0.0.1]/'],
    ['a name that leads to loopback', () => 'https://images.example/1.png'],
    ['localhost', () => 'https://localhost/1.png'],
    ['another port', () => 'https://images.example:8443/1.png'],
    ['plain http', () => 'http://images.example/1.png'],
    ['another server on this machine', () => `${other.url}/1.png`],
    ['a user name', () => backend.url.replace('http://', 'http://user:pw@')],
    ['a redirect to another host', () => `${backend.url}/redirected`],
    ['a file', () => 'file:///etc/passwd'],
  ])('%s', async (_, url) => {
    backend.onGet = (socket) =>
      socket.end(rawResponse(302, { location: `${other.url}/1.png`, 'content-length': 0 }));
    const outcome = await outcomeAt(url());
    expect(outcome).toMatchObject({ failure: 'no_image', options: { isSpent: true } });
    expect(other.connections).toBe(0);
    expect(backend.posts).toHaveLength(1);
  });
});

describe('finding an image that was made before', () => {
  const find = async () => {
    const renderer = rendererFor(backend.url, { dialect: 'xai' });
    const plan = renderer.plan(request);
    return renderer.find!(plan, `${backend.url}/1.png`, attemptOf()).catch(
      (error: unknown) => error,
    );
  };
  it('brings it, by a GET alone', async () => {
    expect(await find()).toMatchObject({ mediaType: 'image/png', modelVersion: 'sd-tiny' });
    expect(backend.posts).toHaveLength(0);
  });
  it.each([
    [404, 'lost'],
    [403, 'lost'],
    [503, { failure: 'not_sent' }],
    [429, { failure: 'not_sent' }],
  ])('at %d is %j', async (status, expected) => {
    backend.onGet = (socket) => socket.end(rawResponse(status, { 'content-length': 0 }));
    const found = await find();
    if (typeof expected === 'string') expect(found).toBe(expected);
    else expect(found).toMatchObject(expected);
  });
  it.each([
    ['gzip', { 'content-encoding': 'gzip' }, png()],
    ['half an image', {}, png().subarray(0, 60)],
    ['HTML', {}, Buffer.from('<html></html>')],
    ['more bytes than an image may have', {}, Buffer.alloc(1_048_577)],
  ])('finds no image in %s', async (_, headers, bytes) => {
    backend.onGet = (socket) =>
      socket.end(rawResponse(200, { ...headers, 'content-length': bytes.length }, bytes));
    expect(await find()).toMatchObject({ failure: 'no_image' });
    expect(await find()).toBeInstanceOf(RendererError);
  });
});

describe('a public address', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.32.0.1',
    '2606:4700::1111',
    '2a02:6b8::2:242',
  ])('is %s', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each([
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '169.254.169.254'],
    ...['172.16.0.1', '172.31.255.255', '192.0.0.8', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
    ...['224.0.0.1', '240.0.0.1', '255.255.255.255', '::', '::1', '::ffff:8.8.8.8', '::8.8.8.8'],
    ...[
      '64:ff9b::8.8.8.8',
      '64:ff9b:1::1',
      'fe80::1',
      'fe80::1%eth0',
      'fec0::1',
      'fc00::1',
      'fd12::1',
    ],
    ...[
      'ff02::1',
      '2001::1',
      '2001:db8::1',
      '2002:7f00:1::',
      '3fff::1',
      '4000::1',
      'localhost',
      '',
    ],
  ])('is not %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it('is asked of every address of a name: one that is not is enough', () => {
    const mixed: Resolve = (_, callback) =>
      callback(null, [
        { address: '1.1.1.1', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]);
    const errors: unknown[] = [];
    publicLookup(mixed)('x', { all: true }, (error) => errors.push(error?.name));
    expect(errors).toStrictEqual(['NotPublicError']);
  });
});
