import { describe, expect, it } from 'vitest';
import {
  isOriginAmong,
  originPatternFromText,
  webOriginFromText,
} from '../../src/text/web-origin.ts';

describe('a web origin', () => {
  it.each([
    ['https://App.Example.com', 'https://app.example.com'],
    ['https://app.example.com:443', 'https://app.example.com'],
    ['http://app.example.com:80/', 'http://app.example.com'],
    ['http://localhost:3000', 'http://localhost:3000'],
    ['https://картинки.пример.рф', 'https://xn--80aqafcrtq.xn--e1afmkfd.xn--p1ai'],
    ['http://[0:0::1]:8080', 'http://[::1]:8080'],
    ['Tauri://LocalHost', 'tauri://localhost'],
    ['capacitor://localhost/', 'capacitor://localhost'],
    ['chrome-extension://abcdefghijklmnop', 'chrome-extension://abcdefghijklmnop'],
    ['app://obsidian.md', 'app://obsidian.md'],
  ])('%s has the form %s', (text, form) => {
    expect(webOriginFromText(text)).toBe(form);
  });

  it.each([
    ...[
      '',
      'null',
      '*',
      'app.example.com',
      'https://',
      'https://a.example/path',
      'https://u@a.example',
    ],
    ...['https://a.example?q', 'https://a.example#f', 'https://*.a.example', 'https://a b.example'],
    ...[
      'https://a.example:99999',
      'wss://a.example',
      'file:///home',
      'data:text/html,x',
      'tauri://',
    ],
    ...['tauri://a/path', 'tauri://u@a', '://a', 'https:\\\\a.example'],
  ])('is not %j', (text) => {
    expect(webOriginFromText(text)).toBeUndefined();
  });
});

describe('an origin pattern', () => {
  it.each([
    ['https://*.Example.com', 'https://*.example.com'],
    ['https://*.example.com:443', 'https://*.example.com'],
    ['http://*.dev.example.com:8080/', 'http://*.dev.example.com:8080'],
    ['https://*.пример.рф', 'https://*.xn--e1afmkfd.xn--p1ai'],
    ['https://example.com', 'https://example.com'],
  ])('%s has the form %s', (text, form) => {
    expect(originPatternFromText(text)).toBe(form);
  });

  it.each([
    ...[
      '*',
      'https://*',
      'https://*.com',
      'https://*.com:443',
      'https://a.*.com',
      'https://*a.example.com',
    ],
    ...[
      'https://*.*.example.com',
      '*://example.com',
      'https://*.example.com/app',
      'https://*.127.0.0.1',
    ],
    ...['https://*.[::1]', 'tauri://*', 'tauri://*.example.com', 'https://*..example.com'],
  ])('is not %j, which no page can have', (text) => {
    expect(originPatternFromText(text)).toBeUndefined();
  });

  it.each(['https://a.example.com', 'https://a.b.example.com', 'https://A.EXAMPLE.com:443'])(
    'of whole labels stands for %s',
    (origin) => {
      expect(isOriginAmong(origin, ['https://*.example.com'])).toBe(true);
    },
  );

  it.each([
    ...['https://example.com', 'https://aexample.com', 'http://a.example.com', 'null', ''],
    ...['https://a.example.com:8443', 'https://a.example.com.evil.test', 'https://.example.com'],
    ...['https://evil.test/.example.com', 'https://evil.test?.example.com'],
  ])('of whole labels does not stand for %j', (origin) => {
    expect(isOriginAmong(origin, ['https://*.example.com'])).toBe(false);
  });

  it('is compared as an origin, and null matches only *', () => {
    expect(isOriginAmong('HTTPS://App.Example.com:443', ['https://app.example.com'])).toBe(true);
    expect(isOriginAmong('tauri://localhost', ['tauri://localhost'])).toBe(true);
    expect(isOriginAmong('null', ['https://app.example.com'])).toBe(false);
    expect(isOriginAmong('null', '*')).toBe(true);
  });
});
