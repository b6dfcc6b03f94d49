import { z } from 'zod';
import { isVisibleAscii } from '../text/visible-ascii.ts';
import type { CallerLimits } from './identity.ts';

/** The characters of a caller's name, in the file and in commands. */
export const callerNamePattern = /^[A-Za-z0-9._@:/+-]{1,128}$/;
/** Whether a text can name a model in a caller's list. */
export const isModelText = (text: string) => isVisibleAscii(text, 256);
/** The highest limit; a larger number is refused as a mistake. */
export const limitMax = 1_000_000;

const moment = z.iso.datetime({ error: 'must be a time such as 2027-01-31T00:00:00Z' });
const limit = z
  .int({ error: 'must be a whole number' })
  .min(1, { error: `must be from 1 to ${limitMax}` })
  .max(limitMax, { error: `must be from 1 to ${limitMax}` })
  .optional();

const keyEntry = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 lower-case hex digits' }),
  hint: z.string().regex(/^igk_[0-9A-Za-z]{4}$/, {
    error: 'must be the first 8 characters of the key',
  }),
  createdAt: moment,
  expiresAt: moment.optional(),
});

const callerEntry = z.strictObject({
  name: z.string().regex(callerNamePattern, {
    error: 'must be 1 to 128 characters of A-Z a-z 0-9 . _ @ : / + -',
  }),
  // May be empty: a caller keeps its limits when all its keys are revoked.
  keys: z.array(keyEntry).max(100, { error: 'must be at most 100 keys' }),
  // Refused when empty: an empty list could mean every model or none.
  models: z
    .array(z.string().refine(isModelText, { error: 'must be visible ASCII' }))
    .min(1, { error: 'must name a model; leave it out to allow every one' })
    .max(100, { error: 'must be at most 100 models' })
    .optional(),
  imagesPerMinuteMax: limit,
  concurrentImagesMax: limit,
  imagesPerDayMax: limit,
});

const callersFile = z.strictObject({ callers: z.array(callerEntry) });

/** One key of a caller: its hash, never the key itself. Times are RFC 3339 in UTC. */
export type KeyEntry = Readonly<z.infer<typeof keyEntry>>;

/** One caller in the file. */
export type CallerEntry = Readonly<Omit<z.infer<typeof callerEntry>, 'keys' | 'models'>> & {
  readonly keys: readonly KeyEntry[];
  readonly models?: readonly string[] | undefined;
};

/** The contents of API_KEYS_FILE. */
export interface CallerEntries {
  readonly callers: readonly CallerEntry[];
}

const violationsShownMax = 20;

/**
 * The entries in the text of a callers file.
 *
 * @throws Error with every violation and its place. It shows no value from the
 * file, because a key or a hash may stand where something else belongs.
 */
export function callersFromText(text: string): CallerEntries {
  const input = jsonFromText(text);
  const result = callersFile.safeParse(input);
  const violations = [
    ...(result.success ? [] : result.error.issues.flatMap(violationsFromIssue)),
    ...duplicates(input),
  ];
  if (result.success && violations.length === 0) return result.data;
  const more = violations.length - violationsShownMax;
  const shown = violations.slice(0, violationsShownMax).join('; ');
  throw new Error(more > 0 ? `${shown}; and ${more} more` : shown);
}

/** The text of a callers file. */
export function textFromCallers(entries: CallerEntries): string {
  return `${JSON.stringify(entries, undefined, 2)}\n`;
}

/** The same callers with one key more. A new name adds a caller; a given limit replaces the old one. */
export function withKey(
  { callers }: CallerEntries,
  { name, key, limits = {} }: { name: string; key: KeyEntry; limits?: CallerLimits },
): CallerEntries {
  const old = callers.find((caller) => caller.name === name) ?? { name, keys: [] };
  const changed = { ...old, ...limits, keys: [...old.keys, key] };
  if (!callers.some((caller) => caller.name === name)) return { callers: [...callers, changed] };
  return { callers: callers.map((caller) => (caller.name === name ? changed : caller)) };
}

/**
 * The same callers without one key, or without all keys of this caller when no
 * hint is given; undefined when there is no such key. The caller keeps its limits.
 */
export function withoutKey(
  { callers }: CallerEntries,
  { name, hint }: { name: string; hint?: string | undefined },
): CallerEntries | undefined {
  const old = callers.find((caller) => caller.name === name);
  const keys = old?.keys.filter((key) => hint !== undefined && key.hint !== hint);
  if (old === undefined || keys === undefined || keys.length === old.keys.length) return undefined;
  return { callers: callers.map((caller) => (caller === old ? { ...old, keys } : caller)) };
}

/** The same callers without the one of this name; undefined when there is none. */
export function withoutCaller({ callers }: CallerEntries, name: string): CallerEntries | undefined {
  const others = callers.filter((caller) => caller.name !== name);
  return others.length === callers.length ? undefined : { callers: others };
}

/** Parses JSON. The error of JSON.parse is not passed on, because it quotes the text around the mistake. */
function jsonFromText(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new Error('is not JSON');
  }
}

function violationsFromIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${place([...issue.path, key])}: is not a known field`);
  }
  return [`${place(issue.path)}: ${issue.message}`];
}

/** The place of a violation, `callers[0].keys[1].hint`. An unusual field name is not shown: it may be a secret. */
function place(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`;
    return /^[A-Za-z_][A-Za-z0-9_]{0,23}$/.test(String(part))
      ? `.${String(part)}`
      : '.(unprintable)';
  });
  return parts.join('').replace(/^\./, '') || 'the file';
}

/** The names and hashes of the file, whatever else is wrong with it, so that duplicates are reported too. */
const comparable = z
  .object({
    callers: z.array(
      z
        .object({
          name: z.unknown(),
          keys: z.array(z.object({ sha256: z.unknown() }).catch({ sha256: undefined })).catch([]),
        })
        .catch({ name: undefined, keys: [] }),
    ),
  })
  .catch({ callers: [] });

function duplicates(input: unknown): string[] {
  const placeOf = new Map<string, string>();
  const violations: string[] = [];
  const note = (kind: string, value: unknown, where: string) => {
    if (typeof value !== 'string') return;
    const first = placeOf.get(`${kind} ${value}`);
    if (first === undefined) placeOf.set(`${kind} ${value}`, where);
    else violations.push(`${where}: is the same as ${first}`);
  };
  for (const [i, { name, keys }] of comparable.parse(input).callers.entries()) {
    note('name', name, `callers[${i}].name`);
    for (const [j, { sha256 }] of keys.entries()) {
      note('sha256', sha256, `callers[${i}].keys[${j}].sha256`);
    }
  }
  return violations;
}
