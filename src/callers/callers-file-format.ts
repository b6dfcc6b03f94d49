import { z } from 'zod';
import { isVisibleAscii } from '../text/visible-ascii.ts';
import type { CallerLimits } from './identity.ts';

/** Characters of a caller's name, as a file or a command may give it. */
export const callerNamePattern = /^[A-Za-z0-9._@:/+-]{1,128}$/;
/** A model as a caller's list names it. */
export const isModelText = (text: string) => isVisibleAscii(text, 256);
/** The highest limit that may be given; a larger one is taken for a mistake. */
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
  // May be empty: a caller whose keys are all revoked keeps its limits.
  keys: z.array(keyEntry).max(100, { error: 'must be at most 100 keys' }),
  // An empty list could be read as every model or as none, so it is neither.
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

/** One key of a caller: its hash, never the key. Times are RFC 3339 in UTC. */
export type KeyEntry = Readonly<z.infer<typeof keyEntry>>;

/** One caller of the file. */
export type CallerEntry = Readonly<Omit<z.infer<typeof callerEntry>, 'keys' | 'models'>> & {
  readonly keys: readonly KeyEntry[];
  readonly models?: readonly string[] | undefined;
};

/** The file named by API_KEYS_FILE. */
export interface CallerEntries {
  readonly callers: readonly CallerEntry[];
}

const faultsShownMax = 20;

/**
 * Reads the file's text.
 *
 * @throws Error with every fault by its place. A fault shows no value of the
 * file, as a key or a hash may stand where something else belongs.
 */
export function callersFromText(text: string): CallerEntries {
  const input = jsonFromText(text);
  const result = callersFile.safeParse(input);
  const faults = [
    ...(result.success ? [] : result.error.issues.flatMap(faultsFromIssue)),
    ...duplicates(input),
  ];
  if (result.success && faults.length === 0) return result.data;
  const more = faults.length - faultsShownMax;
  const shown = faults.slice(0, faultsShownMax).join('; ');
  throw new Error(more > 0 ? `${shown}; and ${more} more` : shown);
}

/** The text that `callersFromText` reads. */
export function textFromCallers(entries: CallerEntries): string {
  return `${JSON.stringify(entries, undefined, 2)}\n`;
}

/** The same callers and one more key. Makes the caller when it is new; a limit given replaces the old one. */
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
 * The same callers without one key, or without any key of this caller when no
 * hint is given; undefined when there is no such key. The caller stays, and so
 * do its limits.
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

/** The same callers without this one; undefined when there is none of this name. */
export function withoutCaller({ callers }: CallerEntries, name: string): CallerEntries | undefined {
  const others = callers.filter((caller) => caller.name !== name);
  return others.length === callers.length ? undefined : { callers: others };
}

/** The error of JSON.parse is not passed on: it quotes the text around the fault. */
function jsonFromText(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new Error('is not JSON');
  }
}

function faultsFromIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${place([...issue.path, key])}: is not a known field`);
  }
  return [`${place(issue.path)}: ${issue.message}`];
}

/** `callers[0].keys[1].hint`. A field's name that is too long or odd for one may be a secret. */
function place(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`;
    return /^[A-Za-z_][A-Za-z0-9_]{0,23}$/.test(String(part))
      ? `.${String(part)}`
      : '.(unprintable)';
  });
  return parts.join('').replace(/^\./, '') || 'the file';
}

/** As much of the file as can be compared, whatever else is wrong with it. */
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
  const faults: string[] = [];
  const note = (kind: string, value: unknown, where: string) => {
    if (typeof value !== 'string') return;
    const first = placeOf.get(`${kind} ${value}`);
    if (first === undefined) placeOf.set(`${kind} ${value}`, where);
    else faults.push(`${where}: is the same as ${first}`);
  };
  for (const [i, { name, keys }] of comparable.parse(input).callers.entries()) {
    note('name', name, `callers[${i}].name`);
    for (const [j, { sha256 }] of keys.entries()) {
      note('sha256', sha256, `callers[${i}].keys[${j}].sha256`);
    }
  }
  return faults;
}
