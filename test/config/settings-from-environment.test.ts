import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SettingsError } from '../../src/config/settings-error.ts';
import { settingsFromEnvironment } from '../../src/config/settings-from-environment.ts';
import { configurationPage } from '../../src/config/configuration-page.ts';
import { settings } from '../../src/config/settings.ts';

function mistakes(environment: Record<string, string>): readonly string[] {
  try {
    settingsFromEnvironment(environment);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.mistakes;
    throw error;
  }
}

const real = {
  UPSTREAM_ADDRESS: 'llm.example:443',
  UPSTREAM_API_KEY: 'canary-key',
  FOLDER_ID: 'b1g',
};

describe('the settings', () => {
  it('have a default each', () => {
    expect(settingsFromEnvironment({})).toMatchObject({
      HOST: '127.0.0.1',
      PORT: 8080,
      DEFAULT_MODEL: 'yandex-art/latest',
      GENERATE_TIMEOUT_MS: 15_000,
      GET_TIMEOUT_MS: 10_000,
      IMAGE_BYTES_MAX: 16_777_216,
      DRAWING_DELAY_MS: 3_000,
      LOG_LEVEL: 'info',
    });
  });

  it('need three values for a real upstream', () => {
    expect(mistakes(real)).toEqual([]);
  });

  it('have their mistakes reported all at once, by name', () => {
    const found = mistakes({
      PORT: '99999',
      LOG_LEVEL: 'loud',
      PUBLIC_URL: 'https://x.example/?a=b',
      UPSTREAM_ADDRESS: 'nonsense',
      MODEL_ALIASES: '{',
      IMAGE_BYTES_MAX: '1e9',
      GATEWAY_SECRET: 'short',
    });
    expect(found.map((mistake) => mistake.split(':')[0])).toEqual([
      'PORT',
      'PUBLIC_URL',
      'UPSTREAM_ADDRESS',
      'MODEL_ALIASES',
      'IMAGE_BYTES_MAX',
      'GATEWAY_SECRET',
      'LOG_LEVEL',
    ]);
  });

  it.each([
    [{ UPSTREAM_ADDRESS: 'llm.example:443', FOLDER_ID: 'b1g' }, /needs one credential/],
    [{ ...real, UPSTREAM_IAM_TOKEN: 't' }, /set exactly one credential/],
    [{ UPSTREAM_ADDRESS: 'llm.example:443', UPSTREAM_API_KEY: 'k' }, /FOLDER_ID/],
    [{ HOST: '0.0.0.0' }, /ALLOW_ANONYMOUS/],
    [{ OPERATIONS_ADDRESS: 'http://127.0.0.1:1' }, /needs UPSTREAM_ADDRESS/],
    [{ UPSTREAM_API_KEY: 'k' }, /UPSTREAM_API_KEY: needs UPSTREAM_ADDRESS/],
    [{ UPSTREAM_ADDRESS: 'embedded', UPSTREAM_CA_FILE: 'f' }, /UPSTREAM_CA_FILE: needs UPSTREAM/],
    [{ AUTH: 'keys', API_KEYS_FILE: 'f' }, /UPSTREAM_ADDRESS: is needed with AUTH=keys; set UPS/],
    [{ AUTH: 'passthrough' }, /UPSTREAM_ADDRESS: is needed with AUTH=passthrough/],
    [{ AUTH: 'passthrough', UPSTREAM_ADDRESS: 'embedded' }, /AUTH: passthrough needs an UPSTREAM/],
    [{ AUTH: 'passthrough', BACKEND_URL: 'http://127.0.0.1:1' }, /AUTH: passthrough does not go/],
    [{ STORE_URL: 'redis://s', STORE_URL_FILE: 'f' }, /STORE_URL, STORE_URL_FILE: set one of them/],
    [{ STORE_URL_FILE: 'f', UPSTREAM_ADDRESS: 'embedded' }, /GATEWAY_SECRET: is needed.*UPSTREAM/s],
    [{ GATEWAY_SECRET: 'x'.repeat(32), GATEWAY_SECRET_FILE: 'f' }, /set one of them/],
    [{ DRAIN_DELAY_MS: '25000' }, /DRAIN_DELAY_MS: must be less than SHUTDOWN_TIMEOUT_MS/],
  ])('may not contradict each other: %j', (environment, expected) => {
    expect(mistakes(environment).join()).toMatch(expected);
  });

  it('report mistakes between settings beside mistakes of single ones, and none twice', () => {
    const found = mistakes({ PORT: 'x', AUTH: 'jwt', UPSTREAM_ADDRESS: 'nonsense' });
    expect(found.map((mistake) => mistake.split(':')[0])).toEqual([
      ...['PORT', 'UPSTREAM_ADDRESS', 'JWT_ISSUER', 'JWT_AUDIENCE', 'JWKS_URL'],
    ]);
  });

  it('are still read by an older name, and not by both', () => {
    const older = { EMULATOR_LATENCY_MS: '7', EMULATOR_PORT: '5051' };
    expect(settingsFromEnvironment(older)).toMatchObject({
      DRAWING_DELAY_MS: 7,
      SERVICE_PORT: 5_051,
    });
    expect(mistakes({ EMULATOR_PORT: 'x' })).toEqual([expect.stringMatching(/^EMULATOR_PORT: /)]);
    expect(mistakes({ ...older, DRAWING_DELAY_MS: '8' })).toEqual([
      'DRAWING_DELAY_MS, EMULATOR_LATENCY_MS: set one of them; the second is an older name of the first',
    ]);
  });

  it.each([
    [{ HOST: '0.0.0.0', ALLOW_ANONYMOUS: 'true' }],
    [{ HOST: '::1' }],
    [{ HOST: 'localhost' }],
    [{ UPSTREAM_ADDRESS: 'http://127.0.0.1:50051' }],
    [{ UPSTREAM_ADDRESS: '[::1]:443', UPSTREAM_IAM_TOKEN: 'Bearer t1.abc', FOLDER_ID: 'f' }],
    [{ ...real, FOLDER_ID: '', DEFAULT_MODEL: 'art://f/m' }],
    [{ AUTH: 'keys', API_KEYS_FILE: 'f', UPSTREAM_ADDRESS: 'embedded' }],
    [{ AUTH: 'keys', API_KEYS_FILE: 'f', BACKEND_URL: 'http://127.0.0.1:8000' }],
    [{ ...real, AUTH: 'passthrough', UPSTREAM_API_KEY: '' }],
  ])('may be %j', (environment) => {
    expect(mistakes(environment)).toEqual([]);
  });

  it.each([
    ['*', '*'],
    ['https://App.Example.com:443/', ['https://app.example.com']],
    ['https://*.Example.com, tauri://localhost', ['https://*.example.com', 'tauri://localhost']],
  ])('hold CORS_ORIGINS=%s in the form that requests are compared with', (text, origins) => {
    expect(settingsFromEnvironment({ CORS_ORIGINS: text }).CORS_ORIGINS).toEqual(origins);
  });

  it.each(['https://*.com', 'https://a.example/app', '*, https://a.example', 'null', 'a.example'])(
    'may not be CORS_ORIGINS=%s, which can never match',
    (text) => {
      expect(mistakes({ CORS_ORIGINS: text }).join()).toMatch(/^CORS_ORIGINS: must be/);
    },
  );

  it('never print a secret', () => {
    const values = settingsFromEnvironment({
      ...real,
      GATEWAY_SECRET: 'canary-secret-canary-secret-canary',
    });
    expect(
      `${inspect(values)} ${JSON.stringify(values)} ${String(values.UPSTREAM_API_KEY)}`,
    ).not.toContain('canary');
    expect(values.UPSTREAM_API_KEY?.reveal()).toBe('canary-key');
    const found = mistakes({ ...real, UPSTREAM_API_KEY: 'canary key with spaces' });
    expect(found.join()).toMatch(/UPSTREAM_API_KEY/);
    expect(found.join()).not.toContain('canary');
  });

  it('are all documented', () => {
    const page = configurationPage();
    for (const [name, { meaning }] of Object.entries(settings)) {
      expect(page).toContain(`| \`${name}\` |`);
      expect(meaning.endsWith('.')).toBe(true);
    }
  });
});
