import { isLoopbackHost } from '../text/host.ts';
import { backendMistakes, backendSettings } from './backend-settings.ts';
import { callerSettings } from './caller-settings.ts';
import { serviceWorkSettings } from './service-work-settings.ts';
import { setting, type Setting } from './setting-declaration.ts';
import { namesOf, readDeclared, type Environment, type ValuesOf } from './setting-reader.ts';
import { choice, host, integer, port, text } from './setting-values.ts';
import { SettingsError } from './settings-error.ts';
import { settings, type SettingValues } from './settings.ts';
import { unknownNameMistakes } from './unknown-names.ts';

/** Every setting of the service (`npm run service`). */
export const serviceSettings = {
  SERVICE_HOST: setting(host.default('127.0.0.1'), {
    default: '127.0.0.1',
    meaning: 'Address the service listens on. Away from loopback it needs SERVICE_API_KEYS_FILE.',
  }),
  SERVICE_PORT: setting(port.default(50_051), {
    default: '50051',
    meaning: 'Port of the service; 0 takes any free one.',
  }),
  DATA_DIR: setting(callerSettings.DATA_DIR.schema, {
    default: callerSettings.DATA_DIR.default,
    meaning: 'Folder in which SERVICE_DIR is, where that is not set.',
  }),
  SERVICE_API_KEYS_FILE: setting(text.optional(), {
    meaning:
      'Lines of a name and a key, such as "gateway 7fK…". A name owns what is made with its key. Read again when it changes.',
  }),
  SERVICE_TLS_CERT_FILE: setting(text.optional(), {
    meaning: 'Certificate chain in PEM, to serve TLS.',
  }),
  SERVICE_TLS_KEY_FILE: setting(text.optional(), {
    meaning: 'Private key of the certificate in PEM.',
  }),
  SERVICE_METRICS_PORT: setting(port.optional(), {
    meaning:
      'Port of `GET /metrics` of the service, for Prometheus; 0 takes any free one. Off by default.',
  }),
  SERVICE_METRICS_HOST: setting(host.default('127.0.0.1'), {
    default: '127.0.0.1',
    meaning: 'Address of the port of metrics.',
  }),
  SERVICE_DRAIN_MS: setting(integer({ min: 0, max: 3_600_000 }).default(600_000), {
    default: '600000',
    meaning:
      'How long after SIGTERM images that are being made may take. What is not done then goes on at the next start.',
  }),
  ...serviceWorkSettings,
  IMAGE_BYTES_MAX: setting(integer({ min: 1_024, max: 268_435_456 }).default(16_777_216), {
    default: '16777216',
    meaning: 'Largest image. Room for one in each renderer slot is kept free on the disk.',
  }),
  ...backendSettings,
  PROMPT_CHARACTERS_MAX: setting(integer({ min: 1, max: 1_000_000 }).default(500), {
    default: '500',
    meaning: 'Longest prompt, in code points.',
  }),
  LOG_LEVEL: setting(
    choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info'),
    { default: 'info', meaning: 'Least level that is logged.' },
  ),
} as const satisfies Record<string, Setting>;

/** Every setting of the service after validation, by name. */
export type ServiceSettingValues = ValuesOf<typeof serviceSettings>;

/**
 * The values of the service's settings, read from environment variables.
 *
 * @throws SettingsError with every mistake.
 */
export function serviceSettingsFromEnvironment(environment: Environment): ServiceSettingValues {
  const { values, mistakes } = readDeclared(serviceSettings, environment);
  const names = { settings: namesOf(serviceSettings), others: namesOf(settings) };
  const wrong = [...mistakes, ...unknownNameMistakes(environment, names)];
  const found = wrong.length > 0 ? wrong : contradictions(values);
  if (found.length > 0) throw new SettingsError(found);
  return values;
}

/** The settings of the service that a gateway holds inside its process: of its work the gateway's own, reached on loopback alone. */
export function embeddedServiceSettings(values: SettingValues): ServiceSettingValues {
  return {
    ...values,
    SERVICE_HOST: '127.0.0.1',
    SERVICE_API_KEYS_FILE: undefined,
    SERVICE_TLS_CERT_FILE: undefined,
    SERVICE_TLS_KEY_FILE: undefined,
    SERVICE_DRAIN_MS: 0,
    // Its metrics are among the gateway's.
    SERVICE_METRICS_HOST: '127.0.0.1',
    SERVICE_METRICS_PORT: undefined,
  };
}

function contradictions(values: ServiceSettingValues): readonly string[] {
  const mistakes: string[] = [...backendMistakes(values)];
  const { SERVICE_TLS_CERT_FILE: cert, SERVICE_TLS_KEY_FILE: key } = values;
  if ((cert === undefined) !== (key === undefined)) {
    mistakes.push('SERVICE_TLS_CERT_FILE, SERVICE_TLS_KEY_FILE: set both or none');
  }
  if (!isLoopbackHost(values.SERVICE_HOST) && values.SERVICE_API_KEYS_FILE === undefined) {
    mistakes.push(
      'SERVICE_API_KEYS_FILE: is needed with a SERVICE_HOST that other machines reach: every one of them could have images made',
    );
  }
  return mistakes;
}
