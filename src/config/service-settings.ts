import type { z } from 'zod';
import { isLoopbackHost } from '../text/host.ts';
import { backendMistakes, backendSettings } from './backend-settings.ts';
import { setting, type Setting } from './setting-declaration.ts';
import { choice, host, integer, port, text } from './setting-values.ts';
import { SettingsError } from './settings-error.ts';
import { settings } from './settings.ts';
import { unknownNameMistakes } from './unknown-names.ts';

const dayMs = 86_400_000;

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
  SERVICE_DIR: setting(text.default('./data/service'), {
    default: './data/service',
    meaning: 'Where operations and images are kept. On a local disk.',
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
  SERVICE_DRAIN_MS: setting(integer({ min: 0, max: 3_600_000 }).default(600_000), {
    default: '600000',
    meaning:
      'How long after SIGTERM images that are being made may take. What is not done then goes on at the next start.',
  }),
  QUEUE_MAX: setting(integer({ min: 1, max: 100_000 }).default(1_000), {
    default: '1000',
    meaning:
      'Operations that may wait; further ones are refused. Above half of it, an owner may hold no more than an equal share.',
  }),
  OPERATION_DEADLINE_MS: setting(integer({ min: 1_000, max: 7 * dayMs }).default(3_600_000), {
    default: '3600000',
    meaning: 'How long an operation may wait before it is given up.',
  }),
  RETENTION_MS: setting(integer({ min: 60_000, max: 365 * dayMs }).default(3 * dayMs), {
    default: '259200000',
    meaning: 'How long an operation and its image are kept after the end.',
  }),
  IMAGES_BYTES_MAX: setting(integer({ min: 1_048_576, max: 2 ** 45 }).default(4 * 1_073_741_824), {
    default: '4294967296',
    meaning:
      'Bytes of all images on disk. Local drawings give way and are drawn again; other images keep new operations out.',
  }),
  IMAGE_BYTES_MAX: setting(integer({ min: 1_024, max: 268_435_456 }).default(16_777_216), {
    default: '16777216',
    meaning: 'Largest image. Room for one in each renderer slot is kept free on the disk.',
  }),
  ...backendSettings,
  DRAWING_DELAY_MS: setting(integer({ min: 0, max: dayMs }).default(3_000), {
    default: '3000',
    meaning: 'Time from Generate to the local drawing.',
  }),
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
export type ServiceSettingValues = {
  readonly [Name in keyof typeof serviceSettings]: z.output<
    (typeof serviceSettings)[Name]['schema']
  >;
};

/**
 * The values of the service's settings, read from environment variables. An empty variable counts as absent.
 *
 * @throws SettingsError with every mistake.
 */
export function serviceSettingsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ServiceSettingValues {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries<Setting>(serviceSettings)) {
    const value = environment[name]?.trim();
    const result = schema.safeParse(value === '' ? undefined : value);
    if (result.success) values[name] = result.data;
    else mistakes.push(`${name}: ${result.error.issues[0]?.message ?? 'is wrong'}`);
  }
  mistakes.push(
    ...unknownNameMistakes(environment, {
      settings: Object.keys(serviceSettings),
      others: Object.keys(settings),
    }),
  );
  if (mistakes.length === 0) mistakes.push(...contradictions(values as ServiceSettingValues));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return values as ServiceSettingValues;
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
