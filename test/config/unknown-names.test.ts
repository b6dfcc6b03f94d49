import { expect, it } from 'vitest';
import {
  serviceSettings,
  serviceSettingsFromEnvironment,
} from '../../src/config/service-settings.ts';
import { readSettings, settingWarnings } from '../../src/config/settings-from-environment.ts';
import { settings } from '../../src/config/settings.ts';

function mistakes(name: string, value = 'x'): readonly string[] {
  return readSettings({ [name]: value }).mistakes;
}

it.each([
  ['UPSTREAM_ADRESS', 'UPSTREAM_ADDRESS'],
  ['AUTH_', 'AUTH'],
  ['AUHT', 'AUTH'],
  ['PATH', undefined],
  ['POST', undefined],
  ['_', undefined],
  ['UPSTREAM_ADDRES', 'UPSTREAM_ADDRESS'],
  ['UPSTRAEM_ADDRESS', 'UPSTREAM_ADDRESS'],
  ['upstream_address', 'UPSTREAM_ADDRESS'],
  ['UPSTREAM-ADDRESS', 'UPSTREAM_ADDRESS'],
  ['UPSTREAM_URL', 'UPSTREAM_ADDRESS'],
  ['UPSTREAM_ADDRESS_FILE', 'UPSTREAM_ADDRESS'],
  ['API_KEY_FILE', 'API_KEYS_FILE'],
  ['CORS_ORIGIN', 'CORS_ORIGINS'],
  ['CORS_ALLOWED_ORIGIN', 'CORS_ORIGINS'],
  ['UPSTREAM_CA_CERT_FILE', 'UPSTREAM_CA_FILE'],
  ['UPSTREAM_CA_CERT', 'UPSTREAM_CA_FILE'],
  ['UPSTREAM_TLS_CA_PATH', 'UPSTREAM_CA_FILE'],
  ['UPSTREAM_CA', 'UPSTREAM_CA_FILE'],
  ['UPSTREAM_API_KEY_PATH', 'UPSTREAM_API_KEY_FILE'],
  ['AUTH_MODE', 'AUTH'],
  ['AUTH_TYPE', 'AUTH'],
  ['AUTH_ENABLED', 'AUTH'],
  ['AUTHENTICATION', 'AUTH'],
  ['API_KEYS_PATH', 'API_KEYS_FILE'],
  ['ALLOW_ANONYMOUS_ACCESS', 'ALLOW_ANONYMOUS'],
  ['JWKS_ENDPOINT', 'JWKS_URL'],
  ['GATEWAY_LOG_LEVEL', 'LOG_LEVEL'],
  ['GATEWAY_PUBLIC_URL', 'PUBLIC_URL'],
  ['JWKS_URI', 'JWKS_URL'],
  ['PUBLIC_URI', 'PUBLIC_URL'],
  ['GENERATE_TIMEOUT', 'GENERATE_TIMEOUT_MS'],
  ['LOGLEVEL', 'LOG_LEVEL'],
  ['GATEWAY_SECRET_PREVIUOS', 'GATEWAY_SECRET_PREVIOUS'],
  ['ALLOW_ANONYMUS', 'ALLOW_ANONYMOUS'],
  ['Auth', 'AUTH'],
  ['auth', 'AUTH'],
  ['IMAGES_PER_DAY', 'IMAGES_PER_DAY_MAX'],
  ['CALLER_IMAGES_PER_MINUTE', 'CALLER_IMAGES_PER_MINUTE_MAX'],
  ['JWT_LIFE', 'JWT_LIFE_S_MAX'],
  ['IMAGE_BYTES', 'IMAGE_BYTES_MAX'],
])('%s is taken for a mistyped %s', (name, meant) => {
  const expected = meant === undefined ? [] : [`${name}: is no setting; did you mean ${meant}?`];
  expect(mistakes(name)).toEqual(expected);
});

it.each([
  ...[
    'PATH',
    'HOME',
    'HOSTNAME',
    'HOSTTYPE',
    'HOSTS',
    'PORTS',
    'POST',
    'OAUTH',
    'PWD',
    'LANG',
    'TERM',
    'PROMPT',
  ],
  ...[
    'NODE_ENV',
    'NODE_OPTIONS',
    'npm_config_loglevel',
    'npm_lifecycle_event',
    'RUST_LOG',
    'DEBUG',
  ],
  ...['GATEWAY_SERVICE_HOST', 'GATEWAY_SERVICE_PORT', 'GATEWAY_SERVICE_PORT_HTTP'],
  ...['GATEWAY_PORT_8080_TCP', 'GATEWAY_PORT_8080_TCP_ADDR', 'GATEWAY_PORT_8080_TCP_PROTO'],
  ...['METRIC_PORT_9090_TCP_PORT', 'STORE_SERVICE_HOST', 'KUBERNETES_SERVICE_HOST', 'ORDER_ID'],
  ...['OTEL_EXPORTER_OTLP_ENDPOINT', 'HTTPS_PROXY', 'NO_PROXY', 'SSL_CERT_FILE', 'XDG_DATA_DIRS'],
])('%s is a name of another program', (name) => {
  expect(mistakes(name)).toEqual([]);
});

it.each([
  ['REDIS_URL', 'STORE_URL'],
  ['REDIS_URI', 'STORE_URL'],
  ['VALKEY_ENDPOINT', 'STORE_URL'],
  ['DATA_DIRECTORY', 'DATA_DIR'],
  ['PUBLIC_ADDRESS', 'PUBLIC_URL'],
])('%s may be meant for another program: a warning names %s', (name, meant) => {
  expect(mistakes(name)).toEqual([]);
  const warning = `${name} is no setting and has no effect; ${meant} is one`;
  expect(settingWarnings({ [name]: 'x' })).toEqual([warning]);
  expect(settingWarnings({ [name]: 'x', [meant]: 'y' })).toEqual([]);
});

it.each(['AUTH_TOKEN', 'AUTH_SECRET', 'API_KEY', 'API_URL', 'CA_FILE', 'REDIS_HOST', 'JWT_SECRET'])(
  '%s has nothing to do with this program',
  (name) => {
    expect([...mistakes(name), ...settingWarnings({ [name]: 'x' })]).toEqual([]);
  },
);

it('the names of the service’s settings are known to the gateway, and the other way round', () => {
  for (const name of Object.keys(serviceSettings)) {
    expect(mistakes(name).join()).not.toContain('did you mean');
  }
  for (const name of Object.keys(settings)) {
    expect(() => serviceSettingsFromEnvironment({ [name]: '' })).not.toThrow();
  }
  expect(() => serviceSettingsFromEnvironment({ BACKEND_URI: 'http://b' })).toThrow(
    'BACKEND_URI: is no setting; did you mean BACKEND_URL?',
  );
});

it('a service link of any name is none of ours', () => {
  expect(mistakes('METRIC_PORT', 'tcp://10.96.0.7:9090')).toEqual([]);
});

it('the environment of this process has no such name', () => {
  const found = readSettings(process.env).mistakes;
  expect(found.filter((mistake) => mistake.includes('did you mean'))).toEqual([]);
});

it('an environment of many mistyped names makes no endless report', () => {
  const names = Array.from({ length: 500 }, (_, index) => `LOG_LEVEL${'_'.repeat(index + 1)}`);
  const { mistakes: found } = readSettings(Object.fromEntries(names.map((name) => [name, 'x'])));
  expect(found).toHaveLength(20);
});
