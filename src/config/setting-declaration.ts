import type { z } from 'zod';

/** The declaration of one setting: how its text becomes a value, and what the documentation says about it. */
export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** Reads the text of the environment variable without the white space around it. */
  readonly schema: Schema;
  /** As the documentation prints it. */
  readonly default: string;
  readonly meaning: string;
  /** An older name that is still read. */
  readonly alias: string | undefined;
}

export function setting<Schema extends z.ZodType>(
  schema: Schema,
  documented: { readonly default?: string; readonly meaning: string; readonly alias?: string },
): Setting<Schema> {
  const { default: fallback = '–', meaning, alias } = documented;
  return { schema, default: fallback, meaning, alias };
}
