import type { EmulatorOptions } from './emulator.ts';

/** The settings of the emulator as a process. */
export interface EmulatorSettings {
  readonly options: EmulatorOptions;
  /** Paths of the PEM files for TLS. */
  readonly tlsFiles: { readonly cert: string; readonly key: string } | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

const dayMs = 86_400_000;
const yearMs = 366 * dayMs;

/**
 * Reads the settings from an environment.
 *
 * @throws Error that names every wrong setting, and no value.
 */
export function settingsFromEnvironment(environment: Environment): EmulatorSettings {
  const mistakes: string[] = [];
  const read = reader(environment, mistakes);
  const apiKeys = read.list('EMULATOR_API_KEYS');
  const iamTokens = read.list('EMULATOR_IAM_TOKENS');
  const models = read.list('EMULATOR_MODELS');
  const folders = read.list('EMULATOR_FOLDERS');
  const cert = environment['EMULATOR_TLS_CERT_FILE'] ?? '';
  const key = environment['EMULATOR_TLS_KEY_FILE'] ?? '';
  if ((cert === '') !== (key === '')) {
    mistakes.push('EMULATOR_TLS_CERT_FILE, EMULATOR_TLS_KEY_FILE: only one of them is set');
  }
  const options: EmulatorOptions = {
    host: environment['HOST']?.trim() || '127.0.0.1',
    port: read.whole('EMULATOR_PORT', 50_051, 65_535),
    latencyMs: read.whole('EMULATOR_LATENCY_MS', 3_000, dayMs),
    latencySpreadRatio: read.ratio('EMULATOR_LATENCY_SPREAD_RATIO', 0.2),
    retentionMs: read.whole('EMULATOR_RETENTION_MS', 3 * dayMs, yearMs),
    promptCharactersMax: read.whole('EMULATOR_PROMPT_CHARACTERS_MAX', 500, 1_000_000),
    generationsPerMinuteMax: read.whole('EMULATOR_GENERATIONS_PER_MINUTE_MAX', 500, 1e9),
    generationsPerDayMax: read.whole('EMULATOR_GENERATIONS_PER_DAY_MAX', 5_000, 1e9),
    resultReadsPerSecondMax: read.whole('EMULATOR_RESULT_READS_PER_SECOND_MAX', 50, 1e9),
    operationTimes: read.yes('EMULATOR_OPERATION_TIMES'),
    ...(models.length > 0 && { models }),
    ...(folders.length > 0 && { folders }),
    ...(apiKeys.length + iamTokens.length > 0 && { credentials: { apiKeys, iamTokens } }),
  };
  if (mistakes.length > 0) {
    throw new Error(['The configuration is wrong:', ...mistakes].join('\n  '));
  }
  return { options, tlsFiles: cert === '' ? undefined : { cert, key } };
}

function reader(environment: Environment, mistakes: string[]) {
  const value = <T>(
    name: string,
    absent: T,
    parse: (text: string) => T | undefined,
    must: string,
  ) => {
    const text = environment[name]?.trim() ?? '';
    if (text === '') return absent;
    const parsed = parse(text);
    if (parsed === undefined) mistakes.push(`${name}: must be ${must}`);
    return parsed ?? absent;
  };
  return {
    whole: (name: string, absent: number, max: number) =>
      value(
        name,
        absent,
        (text) => (/^\d{1,15}$/.test(text) && Number(text) <= max ? Number(text) : undefined),
        `a whole number, at most ${max}`,
      ),
    ratio: (name: string, absent: number) =>
      value(
        name,
        absent,
        (text) =>
          /^(0|1|[01]?\.\d{1,6})$/.test(text) && Number(text) <= 1 ? Number(text) : undefined,
        'a number from 0 to 1',
      ),
    yes: (name: string) =>
      value(name, false, (text) => ({ true: true, false: false })[text], 'true or false'),
    list: (name: string): readonly string[] =>
      (environment[name] ?? '')
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
  };
}
