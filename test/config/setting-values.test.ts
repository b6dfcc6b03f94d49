import { validateHeaderValue } from 'node:http';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  readSettings,
  settingsFromEnvironment,
} from '../../src/config/settings-from-environment.ts';
import { settings, type SettingName } from '../../src/config/settings.ts';
import { reachableHost } from '../../src/text/host.ts';

/** The value of one setting; undefined when it is refused. */
function valueOf(name: SettingName, text: string): unknown {
  const { values, mistakes } = readSettings({ [name]: text });
  return mistakes.some((mistake) => mistake.startsWith(`${name}:`)) ? undefined : values[name];
}

describe('a setting', () => {
  it.each<[SettingName, string, unknown]>([
    ['PORT', '8081\r\n', 8081],
    ['PORT', '\t8081 ', 8081],
    ['PORT', '\uFEFF8081', 8081],
    ['HOST', '127.0.0.1\r', '127.0.0.1'],
    ['DATA_DIR', ' ./data \r\n', './data'],
    ['DRAIN_DELAY_MS', '0\n', 0],
    ['MODEL_ALIASES', ' {"a":"b"}\r\n', new Map([['a', 'b']])],
    ['IMAGE_MEDIA_TYPES', 'image/PNG,\r\n image/jpeg', ['image/png', 'image/jpeg']],
    ['CALLER_MODELS', ' a , b\r\n', ['a', 'b']],
  ])('%s=%j is read without the white space around it', (name, text, value) => {
    expect(valueOf(name, text)).toEqual(value);
  });

  it.each<SettingName>(Object.keys(settings) as SettingName[])(
    '%s of white space alone is absent',
    (name) => {
      expect(readSettings({ [name]: ' \r\n' })).toEqual(readSettings({}));
    },
  );

  it.each<[SettingName, string, unknown]>([
    ['LOG_LEVEL', 'INFO', 'info'],
    ['LOG_LEVEL', 'Warn', 'warn'],
    ['AUTH', 'None', 'none'],
    ['ALLOW_ANONYMOUS', '1', true],
    ['ALLOW_ANONYMOUS', 'YES', true],
    ['ALLOW_ANONYMOUS', 'on', true],
    ['UPSTREAM_DATA_LOGGING', '0', false],
    ['UPSTREAM_DATA_LOGGING', 'No', false],
    ['UPSTREAM_DATA_LOGGING', 'OFF', false],
    ['UPSTREAM_METADATA_SERVICE', '0', undefined],
    [
      'UPSTREAM_METADATA_SERVICE',
      'HTTP://Metadata.Google.Internal:80/',
      'http://metadata.google.internal',
    ],
    ['UPSTREAM_ADDRESS', 'Embedded', 'embedded'],
    ['UPSTREAM_ADDRESS', 'HTTP://127.0.0.1:50051/', 'http://127.0.0.1:50051'],
    ['HOST', '[::1]', '::1'],
    ['METRICS_HOST', '[::]', '::'],
  ])('%s=%s means %j', (name, text, value) => {
    expect(readSettings({ [name]: text }).values[name]).toEqual(value);
  });

  it.each<[SettingName, string]>([
    ['LOG_LEVEL', 'verbose'],
    ['ALLOW_ANONYMOUS', 'constructor'],
    ['ALLOW_ANONYMOUS', '2'],
    ['UPSTREAM_ADDRESS', 'http://h:99999'],
    ['UPSTREAM_ADDRESS', 'h:0'],
    ['OPERATIONS_ADDRESS', 'embedded'],
    ['IAM_ADDRESS', 'iam.example'],
    ['HOST', 'localhost:8080'],
    ['HOST', 'http://0.0.0.0'],
    ['METRICS_HOST', '256.0.0.1'],
    ['JWKS_URL', 'http://issuer.example/keys'],
    ['JWKS_URL', 'https://user@issuer.example/keys'],
    ['STORE_URL', 'redis://'],
    ['STORE_URL', 'postgres://store:5432'],
    ['IMAGE_BYTES_MAX', '0x10000'],
    ['PORT', '+80'],
  ])('may not be %s=%s', (name, text) => {
    const [mistake, ...others] = readSettings({ [name]: text }).mistakes;
    expect(mistake).toMatch(new RegExp(`^${name}: must be `));
    expect(others).toEqual([]);
  });

  it('names what a person does not see in a value', () => {
    expect(readSettings({ LOG_LEVEL: '"info"' }).mistakes.join()).toContain('in quotes');
    const link = { METRICS_PORT: 'tcp://10.96.0.7:9090' };
    expect(readSettings(link).mistakes.join()).toContain('enableServiceLinks');
  });
});

describe('PUBLIC_URL', () => {
  it.each([
    ['https://картинки.пример.рф', 'https://xn--80aqafcrtq.xn--e1afmkfd.xn--p1ai'],
    ['HTTPS://Images.Example.COM:443/', 'https://images.example.com'],
    ['http://images.example:80', 'http://images.example'],
    ['https://example.com/Images/', 'https://example.com/Images'],
    [
      'https://example.com/картинки',
      'https://example.com/%D0%BA%D0%B0%D1%80%D1%82%D0%B8%D0%BD%D0%BA%D0%B8',
    ],
    ['http://[0::1]:8080', 'http://[::1]:8080'],
  ])('%s is %s', (text, url) => {
    expect(valueOf('PUBLIC_URL', text)).toBe(url);
  });

  it.each([
    ...[
      'https://a.example?x=1',
      'https://a.example/#',
      'https://u@a.example',
      'https://u:p@a.example',
    ],
    ...[
      'ftp://a.example',
      'a.example',
      'https://',
      '//a.example',
      'https://a b.example',
      'https://%',
    ],
  ])('may not be %s', (text) => {
    expect(valueOf('PUBLIC_URL', text)).toBeUndefined();
  });
});

/** A value that is a text; undefined when it is refused. */
function textOf(name: SettingName, text: string): string | undefined {
  const value = valueOf(name, text);
  return typeof value === 'string' ? value : undefined;
}

/** Texts that operators might write, and texts that hardly any would. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc
    .tuple(
      fc.constantFrom('http://', 'https://', 'HTTPS://', 'tauri://', 'https://*.', ''),
      fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.string({ unit: 'grapheme' })),
      fc.constantFrom('', ':443', ':8080', ':99999'),
      fc.oneof(fc.constantFrom('', '/', '/a', '?', '#'), fc.string({ unit: 'grapheme' })),
    )
    .map((parts) => parts.join('')),
);

/** Header values that come of a setting, each with the check of the library that sends it. */
const headersFrom: Partial<Record<SettingName, (text: string) => void>> = {
  PUBLIC_URL: (text) => {
    const url = textOf('PUBLIC_URL', text);
    if (url === undefined) return;
    validateHeaderValue('location', `${url}/operations/op_1`);
    expect(new URL(`${url}/operations/op_1`).href).toBe(`${url}/operations/op_1`);
  },
  HOST: (text) => {
    const host = textOf('HOST', text);
    if (host === undefined) return;
    validateHeaderValue('location', `http://${reachableHost(host)}:8080/operations/op_1`);
  },
  CORS_ORIGINS: (text) => {
    const origins = valueOf('CORS_ORIGINS', text);
    if (!Array.isArray(origins)) return;
    for (const origin of origins) validateHeaderValue('access-control-allow-origin', origin);
  },
  UPSTREAM_API_KEY: (text) => {
    const key = valueOf('UPSTREAM_API_KEY', text) as { reveal(): string } | undefined;
    if (key !== undefined) new Metadata().set('authorization', `Api-Key ${key.reveal()}`);
  },
  FOLDER_ID: (text) => {
    const folder = textOf('FOLDER_ID', text);
    if (folder !== undefined) new Metadata().set('x-folder-id', folder);
  },
};

it.each(Object.entries(headersFrom))(
  'every accepted %s makes headers that can be sent',
  (_, send) => {
    expect(() => fc.assert(fc.property(anyText, send), { numRuns: 3_000 })).not.toThrow();
  },
);

it.each([
  ['DEFAULT_MODEL', 'art:///'],
  ['DEFAULT_MODEL', 'my model'],
  ['DEFAULT_MODEL', 'model"'],
  ['MODEL_ALIASES', '{"*":"*"}'],
  ['MODEL_ALIASES', '{"a":""}'],
  ['MODEL_ALIASES', '{"a":"b c"}'],
])('%s=%s names no model and is refused', (name, value) => {
  expect(() => settingsFromEnvironment({ [name]: value })).toThrow(`${name}: must be`);
});

it.each(['yandex-art', 'yandex-art/latest', 'art://b1g/yandex-art', 'art://b1g/x/rc'])(
  'DEFAULT_MODEL=%s names a model',
  (model) => {
    expect(settingsFromEnvironment({ DEFAULT_MODEL: model }).DEFAULT_MODEL).toBe(model);
  },
);
