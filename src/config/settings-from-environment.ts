import { settings, type SettingValues } from './settings.ts';
import { namesOf, readDeclared, type Environment } from './setting-reader.ts';
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

const names = { settings: namesOf(settings), others: namesOf(serviceSettings) };

/** A sentence for each variable that is perhaps meant as a setting, and is none. */
export function settingWarnings(environment: Environment): readonly string[] {
  return unknownNameWarnings(environment, names);
}

/** Reads all settings of the gateway. */
export function readSettings(environment: Environment): SettingsReading {
  const { values, wrong, mistakes } = readDeclared(settings, environment);
  return {
    values,
    mistakes: [
      ...mistakes,
      ...unknownNameMistakes(environment, names),
      ...mistakesBetween(values, wrong),
    ],
  };
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
