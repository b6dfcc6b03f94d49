import { describe, expect, it } from 'vitest';
import {
  hostAndPortFromText,
  hostInUrl,
  hostToListenOnFromText,
  isLoopbackHost,
  reachableHost,
} from '../../src/text/host.ts';

describe('host and port', () => {
  it.each([
    ['a.example:443', { scheme: undefined, host: 'a.example', port: 443 }],
    ['http://127.0.0.1:65535', { scheme: 'http', host: '127.0.0.1', port: 65_535 }],
    ['https://[::1]:1', { scheme: 'https', host: '[::1]', port: 1 }],
  ])('are read from %s', (text, expected) => {
    expect(hostAndPortFromText(text)).toEqual(expected);
  });

  it.each(['', 'a', 'a:', 'a:0', 'a:65536', 'a:99999', 'ftp://a:21', 'a:1/', 'u:p@a:1', '::1:443'])(
    'are not read from %j',
    (text) => {
      expect(hostAndPortFromText(text)).toBeUndefined();
    },
  );
});

describe('a host', () => {
  it.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1', '[::1]'])(
    '%s is loopback',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  it.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '127.1'])(
    '%s is not loopback',
    (host) => {
      expect(isLoopbackHost(host)).toBe(false);
    },
  );

  it.each([
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
    ['[::]', '127.0.0.1'],
    ['fe80::1', '[fe80::1]'],
    ['[::1]', '[::1]'],
    ['images.example', 'images.example'],
  ])('that a server listens on, %s, is reached as %s', (host, reachable) => {
    expect(reachableHost(host)).toBe(reachable);
  });

  it('of IPv6 stands in brackets in a URL', () => {
    expect(['::1', '[::1]', 'a'].map(hostInUrl)).toEqual(['[::1]', '[::1]', 'a']);
  });

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['LocalHost', 'localhost'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['gateway-0.internal', 'gateway-0.internal'],
  ])('%s is listened on as %s', (text, host) => {
    expect(hostToListenOnFromText(text)).toBe(host);
  });

  it.each([
    '',
    'localhost:8080',
    '[::1]:8080',
    'http://a',
    'a b',
    '999.1.1.1',
    '*',
    ':::',
    'a/b',
    'u@a',
  ])('%j is none to listen on', (text) => {
    expect(hostToListenOnFromText(text)).toBeUndefined();
  });
});
