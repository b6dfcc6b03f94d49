import { describe, expect, it } from 'vitest';
import { upstreamAddressFromText } from '../../../src/upstream/channel/upstream-address.ts';

describe('an upstream address', () => {
  it.each([
    ['llm.api.cloud.yandex.net:443', 'dns:///llm.api.cloud.yandex.net:443', false],
    ['https://llm.api.cloud.yandex.net:443/', 'dns:///llm.api.cloud.yandex.net:443', false],
    ['http://127.0.0.1:50051', 'dns:///127.0.0.1:50051', true],
    ['[::1]:443', 'dns:///[::1]:443', false],
  ])('%s is %s', (text, target, isPlaintext) => {
    expect(upstreamAddressFromText(text)).toEqual({ target, isPlaintext });
  });

  it.each([
    '',
    'host',
    'host:0',
    'host:65536',
    'host:443/path',
    'ftp://host:21',
    'http://user:pass@host:443',
    'unix:/tmp/socket',
    'dns:///host:443',
    'a,b:443',
  ])('%j is refused', (text) => {
    expect(() => upstreamAddressFromText(text)).toThrow('must be host:port or http://host:port');
  });
});
