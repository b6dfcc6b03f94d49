import { settings, type SettingValues } from './settings.ts';
import { mistakesBetween } from './setting-rules.ts';
import { serviceSettings } from './service-settings.ts';
import { SettingsError } from './settings-error.ts';
import { unknownNameMistakes, unknownNameWarnings } from './unknown-names.ts';

export { SettingsError };

/** What an environment says: a value for each setting, and everything that is wrong. */
export interface SettingsReading {
  /** A setting that is wrong has its default here. */
  readonly values: SettingValues;
  readonly mistakes: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const names = { settings: Object.keys(settings), others: Object.keys(serviceSettings) };

/** A sentence for each variable that is perhaps meant as a setting, and is none. */
export function settingWarnings(environment: Environment): readonly string[] {
  return unknownNameWarnings(environment, names);
}

/** Reads all settings. White space around a value does not count, and an empty variable counts as absent. */
export function readSettings(environment: Environment): SettingsReading {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  const wrong = new Set<string>();
  for (const [name, { schema }] of Object.entries(settings)) {
    const text = environment[name]?.trim();
    const result = schema.safeParse(text === '' ? undefined : text);
    if (result.success) {
      values[name] = result.data;
    } else {
      wrong.add(name);
      mistakes.push(`${name}: ${result.error.issues[0]?.message ?? 'is wrong'}${hintFor(text)}`);
      values[name] = schema.safeParse(undefined).data;
    }
  }
  mistakes.push(...unknownNameMistakes(environment, names));
  mistakes.push(...mistakesBetween(values as SettingValues, wrong));
  return { values: values as SettingValues, mistakes };
}

/**
 * The values of all settings, read from environment variables.
 *
 * @throws SettingsError with every mistake.
 */
export function settingsFromEnvironment(environment: Environment): SettingValues {
  const { values, mistakes } = readSettings(environment);
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return values;
}

/** Why a value may be wrong that looks right to a person. */
function hintFor(text = ''): string {
  if (/^(["']).*\1$/s.test(text)) return '; it stands in quotes, which are part of the value here';
  if (/^(?:tcp|udp|sctp):\/\//.test(text)) {
    return '; Kubernetes sets it for a service of that name: set enableServiceLinks: false';
  }
  return '';
}
