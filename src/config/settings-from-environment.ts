import { isLoopbackHost } from '../text/host.ts';
import { settings, type SettingValues } from './settings.ts';

/** All mistakes of the settings at once. Holds names of settings, never values of secrets. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(['The configuration is wrong:', ...mistakes.map((mistake) => `  ${mistake}`)].join('\n'));
    this.mistakes = mistakes;
  }
}

const credentialNames = [
  'UPSTREAM_API_KEY',
  'UPSTREAM_API_KEY_FILE',
  'UPSTREAM_IAM_TOKEN',
  'UPSTREAM_IAM_TOKEN_FILE',
  'UPSTREAM_SERVICE_ACCOUNT_KEY_FILE',
  'UPSTREAM_METADATA_SERVICE',
] as const;

const jwtNames = ['JWT_ISSUER', 'JWT_AUDIENCE', 'JWKS_URL'] as const;

/**
 * The values of all settings, read from environment variables. An empty variable counts as absent.
 *
 * @throws SettingsError with every mistake.
 */
export function settingsFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): SettingValues {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { schema }] of Object.entries(settings)) {
    const text = environment[name];
    const result = schema.safeParse(text === '' ? undefined : text);
    if (result.success) values[name] = result.data;
    else mistakes.push(`${name}: ${result.error.issues[0]?.message ?? 'is wrong'}`);
  }
  if (mistakes.length === 0) mistakes.push(...contradictions(values as SettingValues));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return values as SettingValues;
}

/** Mistakes between settings that are right one by one. */
function contradictions(values: SettingValues): readonly string[] {
  const mistakes: string[] = [];
  const credentials = credentialNames.filter((name) => values[name] !== undefined);
  if (credentials.length > 1) {
    mistakes.push(`${credentials.join(', ')}: set exactly one credential`);
  }
  mistakes.push(...callerMistakes(values));
  if (values.DRAIN_DELAY_MS >= values.SHUTDOWN_TIMEOUT_MS) {
    mistakes.push('DRAIN_DELAY_MS: must be less than SHUTDOWN_TIMEOUT_MS');
  }
  if (imageMemoryBytesMaxOf(values) < 2 * readBytesMaxOf(values)) {
    mistakes.push('PICTURE_BYTES_MAX: must be at least twice IMAGE_BYTES_MAX + 1 MiB');
  }
  if (values.UPSTREAM_ADDRESS === undefined) {
    for (const name of ['OPERATIONS_ADDRESS', 'UPSTREAM_CA_FILE'] as const) {
      if (values[name] !== undefined) mistakes.push(`${name}: needs UPSTREAM_ADDRESS`);
    }
    return mistakes;
  }
  return [...mistakes, ...realUpstreamMistakes(values, credentials.length)];
}

const mebibyte = 1_048_576;

/** The largest response to one read: the largest image and the fields around it. */
function readBytesMaxOf({ IMAGE_BYTES_MAX }: SettingValues): number {
  return IMAGE_BYTES_MAX + mebibyte;
}

/** Bytes that all images together may take in memory. */
export function imageMemoryBytesMaxOf(values: SettingValues): number {
  return values.PICTURE_BYTES_MAX ?? Math.max(512 * mebibyte, 4 * readBytesMaxOf(values));
}

/** Whether every client on the network may spend. An operator may want that, but it deserves a warning. */
export function isOpenToAll({ AUTH, HOST }: SettingValues): boolean {
  return AUTH === 'none' && !isLoopbackHost(HOST);
}

function callerMistakes(values: SettingValues): readonly string[] {
  const mistakes: string[] = [];
  for (const name of ['GATEWAY_SECRET', 'GATEWAY_SECRET_PREVIOUS'] as const) {
    if (values[name] !== undefined && values[`${name}_FILE`] !== undefined) {
      mistakes.push(`${name}, ${name}_FILE: set one of them`);
    }
  }
  if (values.STORE_URL !== undefined) {
    if (values.GATEWAY_SECRET === undefined && values.GATEWAY_SECRET_FILE === undefined) {
      mistakes.push(
        'GATEWAY_SECRET: is needed with STORE_URL, the same on every gateway: with secrets of their own they would not know each other’s operation ids',
      );
    }
    if (values.UPSTREAM_ADDRESS === undefined) {
      mistakes.push(
        'UPSTREAM_ADDRESS: is needed with STORE_URL: the embedded upstream of one gateway is not there for the others',
      );
    }
  }
  const needed = { none: [], passthrough: [], keys: ['API_KEYS_FILE'], jwt: jwtNames } as const;
  for (const name of needed[values.AUTH]) {
    if (values[name] === undefined) mistakes.push(`${name}: is needed with AUTH=${values.AUTH}`);
  }
  if (isOpenToAll(values) && !values.ALLOW_ANONYMOUS) {
    mistakes.push(
      'HOST: listening away from loopback with AUTH=none lets every client spend; set AUTH=keys, or ALLOW_ANONYMOUS=true if that is meant',
    );
  }
  return mistakes;
}

function realUpstreamMistakes(values: SettingValues, credentials: number): readonly string[] {
  const mistakes: string[] = [];
  const isPlaintext = values.UPSTREAM_ADDRESS?.startsWith('http://') === true;
  // A plaintext upstream is the operator's own, such as the emulator, and may need no credential.
  if (credentials === 0 && !isPlaintext && values.AUTH !== 'passthrough') {
    mistakes.push(`UPSTREAM_ADDRESS: needs one credential: ${credentialNames.join(', ')}`);
  }
  const namesFolder = values.DEFAULT_MODEL.startsWith('art://') || values.FOLDER_ID !== undefined;
  if (!namesFolder && !isPlaintext) {
    mistakes.push('FOLDER_ID: is needed to complete model names');
  }
  return mistakes;
}
