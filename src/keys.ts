// Makes, lists and revokes API keys in the file named by API_KEYS_FILE. The
// gateway that uses the file takes a change within a second.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { newApiKey } from './callers/api-key.ts';
import { callersFromFile, editCallersFile } from './callers/callers-file-edit.ts';
import {
  callerNamePattern,
  isModelText,
  limitMax,
  withKey,
  withoutCaller,
  withoutKey,
  type CallerEntries,
  type CallerEntry,
  type KeyEntry,
} from './callers/callers-file-format.ts';
import type { CallerLimits } from './callers/identity.ts';

const usage = `usage: npm run keys -- COMMAND

  create NAME            a new key for the caller NAME, printed once to stdout
    --models A,B         models it may use (default: every one)
    --images-per-minute N
    --concurrent N       images being made at the same time
    --images-per-day N
    --expires 2027-01-31 the key ends with the start of this day in UTC, or at 2027-01-31T12:00:00Z
  list                   callers and the first characters of their keys
  revoke NAME [HINT]     takes away the key that starts with HINT, or every key of NAME
  remove NAME            takes away the caller with all its keys, tokens and links

  --file PATH            the file (default: API_KEYS_FILE, else ./data/api-keys.json)
`;

/** A mistake in how the command was called: exit code 2. */
class UsageError extends Error {}

type Options = ReturnType<typeof optionsFromArguments>['values'];

function optionsFromArguments(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        models: { type: 'string' },
        'images-per-minute': { type: 'string' },
        concurrent: { type: 'string' },
        'images-per-day': { type: 'string' },
        expires: { type: 'string' },
        file: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function limitFromOption(options: Options, name: keyof Options): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (typeof text !== 'string' || !/^[0-9]+$/.test(text) || value < 1 || value > limitMax) {
    throw new UsageError(`--${name} must be a whole number from 1 to ${limitMax}`);
  }
  return value;
}

/** The limits that were given; the others stay as they are. */
function limitsFromOptions(options: Options): CallerLimits {
  const models = options.models?.split(',').map((model) => model.trim());
  if (models?.every((model) => isModelText(model)) === false) {
    throw new UsageError('--models must be names with commas between them');
  }
  const imagesPerMinuteMax = limitFromOption(options, 'images-per-minute');
  const concurrentImagesMax = limitFromOption(options, 'concurrent');
  const imagesPerDayMax = limitFromOption(options, 'images-per-day');
  return {
    ...(models !== undefined && { models }),
    ...(imagesPerMinuteMax !== undefined && { imagesPerMinuteMax }),
    ...(concurrentImagesMax !== undefined && { concurrentImagesMax }),
    ...(imagesPerDayMax !== undefined && { imagesPerDayMax }),
  };
}

function momentFromOption(text: string, nowMs: number): string {
  const wrong = '--expires must be a day or a time to come, such as 2027-01-31';
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?Z)?$/.test(text)) {
    throw new UsageError(wrong);
  }
  const time = new Date(text);
  // Date reads February 30 as March 2.
  if (!(time.getTime() > nowMs) || !time.toISOString().startsWith(text.slice(0, 10))) {
    throw new UsageError(wrong);
  }
  return time.toISOString();
}

function callerNameFrom(text: string | undefined): string {
  if (text !== undefined && callerNamePattern.test(text)) return text;
  throw new UsageError('NAME must be 1 to 128 characters of A-Z a-z 0-9 . _ @ : / + -');
}

async function create(path: string, name: string, options: Options): Promise<void> {
  const limits = limitsFromOptions(options);
  const now = Date.now();
  const expiresAt =
    options.expires === undefined ? undefined : momentFromOption(options.expires, now);
  const { text, sha256, hint } = newApiKey();
  const key: KeyEntry = {
    ...{ sha256, hint, createdAt: new Date(now).toISOString() },
    ...(expiresAt !== undefined && { expiresAt }),
  };
  await editCallersFile(path, (entries) => withKey(entries, { name, key, limits }));
  process.stderr.write(`${hint}… for ${name}, in ${path}. The key is shown this once:\n`);
  process.stdout.write(`${text}\n`);
}

async function revoke(path: string, name: string, hint: string | undefined): Promise<void> {
  // A command that only removes must not create the file.
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const change = (entries: CallerEntries) => {
    const changed = withoutKey(entries, { name, hint });
    if (changed !== undefined) return changed;
    // The hint is not repeated: it may be a whole key.
    throw new Error(`${name} has no ${hint === undefined ? 'key' : 'key of this hint'}`);
  };
  await editCallersFile(path, change);
  process.stderr.write(`${hint ?? 'every key'} of ${name} is revoked, in ${path}\n`);
}

async function remove(path: string, name: string): Promise<void> {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  await editCallersFile(path, (entries) => {
    const changed = withoutCaller(entries, name);
    if (changed === undefined) throw new Error(`there is no caller ${name}`);
    return changed;
  });
  process.stderr.write(`${name} is removed from ${path}\n`);
}

async function list(path: string): Promise<void> {
  if (!existsSync(path)) throw new Error(`${path} does not exist`);
  const { callers } = await callersFromFile(path);
  process.stdout.write(callers.map((caller) => linesOf(caller, Date.now())).join(''));
}

function linesOf({ name, keys, models, ...limits }: CallerEntry, nowMs: number): string {
  const parts = [
    ...(models === undefined ? [] : [`models ${models.join(',')}`]),
    ...(limits.imagesPerMinuteMax ? [`${limits.imagesPerMinuteMax} a minute`] : []),
    ...(limits.imagesPerDayMax ? [`${limits.imagesPerDayMax} a day`] : []),
    ...(limits.concurrentImagesMax ? [`${limits.concurrentImagesMax} at once`] : []),
  ];
  const keyLines = keys.map(({ hint, createdAt, expiresAt }) => {
    if (expiresAt === undefined) return `  ${hint}…  created ${createdAt}\n`;
    const ends = Date.parse(expiresAt) > nowMs ? 'expires' : 'expired';
    return `  ${hint}…  created ${createdAt}  ${ends} ${expiresAt}\n`;
  });
  return `${name}  (${parts.join('; ') || 'no limits'})\n${keyLines.join('') || '  no keys\n'}`;
}

async function run(args: string[]): Promise<void> {
  const { values: options, positionals } = optionsFromArguments(args);
  if (options.help === true) {
    process.stdout.write(usage);
    return;
  }
  const [command, name, hint, ...rest] = positionals;
  const path = options.file ?? (process.env['API_KEYS_FILE']?.trim() || './data/api-keys.json');
  if (path === '') throw new UsageError('--file must name a file');
  const { help: _, file: __, ...forCreate } = options;
  if (command !== 'create' && Object.keys(forCreate).length > 0) {
    throw new UsageError(`only create takes --${Object.keys(forCreate).join(', --')}`);
  }
  if (rest.length > 0) throw new UsageError('too many arguments');
  if (command === 'create' && hint === undefined) {
    return create(path, callerNameFrom(name), options);
  }
  if (command === 'revoke') return revoke(path, callerNameFrom(name), hint);
  if (command === 'remove' && hint === undefined) return remove(path, callerNameFrom(name));
  if (command === 'list' && name === undefined) return list(path);
  throw new UsageError(
    command === undefined ? 'which command?' : 'not a command, or too many arguments',
  );
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  const wrongUsage = error instanceof UsageError;
  process.stderr.write(`keys: ${(error as Error).message}\n${wrongUsage ? `\n${usage}` : ''}`);
  process.exitCode = wrongUsage ? 2 : 1;
}
