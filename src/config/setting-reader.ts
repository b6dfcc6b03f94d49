import type { z } from 'zod';
import type { Setting } from './setting-declaration.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Declared = Readonly<Record<string, Setting>>;

/** The value of each declared setting, by name. */
export type ValuesOf<Declarations extends Declared> = {
  readonly [Name in keyof Declarations]: z.output<Declarations[Name]['schema']>;
};

/** The settings of a table as an environment says them, one by one. */
export interface Reading<Declarations extends Declared> {
  /** A setting that is wrong has its default here. */
  readonly values: ValuesOf<Declarations>;
  /** Names of those that are wrong. */
  readonly wrong: ReadonlySet<string>;
  readonly mistakes: readonly string[];
}

/** Reads all settings of a table. White space around a value does not count, and an empty variable counts as absent. */
export function readDeclared<Declarations extends Declared>(
  declared: Declarations,
  environment: Environment,
): Reading<Declarations> {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  const wrong = new Set<string>();
  const textOf = (name: string) => environment[name]?.trim() || undefined;
  for (const [name, { schema, alias = '' }] of Object.entries<Setting>(declared)) {
    const own = textOf(name);
    const text = own ?? textOf(alias);
    const result = schema.safeParse(text);
    if (result.success) {
      values[name] = result.data;
    } else {
      wrong.add(name);
      const givenAs = own === undefined && text !== undefined ? alias : name;
      mistakes.push(`${givenAs}: ${result.error.issues[0]?.message ?? 'is wrong'}${hintFor(text)}`);
      values[name] = schema.safeParse(undefined).data;
    }
    if (own !== undefined && textOf(alias) !== undefined) {
      mistakes.push(`${name}, ${alias}: set one of them; the second is an older name of the first`);
    }
  }
  return { values: values as ValuesOf<Declarations>, wrong, mistakes };
}

/** Every name that a table's settings may have in an environment. */
export function namesOf(declared: Declared): readonly string[] {
  return Object.entries(declared).flatMap(([name, { alias }]) =>
    alias === undefined ? [name] : [name, alias],
  );
}

/** Why a value may be wrong that looks right to a person. */
function hintFor(text = ''): string {
  if (/^(["']).*\1$/s.test(text)) return '; it stands in quotes, which are part of the value here';
  if (/^(?:tcp|udp|sctp):\/\//.test(text)) {
    return '; Kubernetes sets it for a service of that name: set enableServiceLinks: false';
  }
  return '';
}
