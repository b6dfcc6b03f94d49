import { z } from 'zod';
import { Secret } from './secret.ts';

/** The declaration of one setting: how its text becomes a value, and what the documentation says about it. */
export interface Setting<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  /** As the documentation prints it. */
  readonly default: string;
  readonly meaning: string;
}

export function setting<Schema extends z.ZodType>(
  schema: Schema,
  documented: { readonly default?: string; readonly meaning: string },
): Setting<Schema> {
  return { schema, default: documented.default ?? '–', meaning: documented.meaning };
}

/** A text that `read` turns into a value; where that is undefined, the text is wrong. */
export function readBy<Value>(read: (text: string) => Value | undefined, error: string) {
  return z.string().transform((text, context): Value => {
    const value = read(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
}

/** A whole number between two bounds. */
export function integer(bounds: { readonly min: number; readonly max: number }) {
  const detail = `must be a whole number from ${bounds.min} to ${bounds.max}`;
  return z
    .string()
    .regex(/^[0-9]+$/, { error: detail })
    .transform(Number)
    .refine((value) => value >= bounds.min && value <= bounds.max, { error: detail });
}

/** `true` or `false`. */
export const flag = z
  .enum(['true', 'false'], { error: 'must be true or false' })
  .transform((value) => value === 'true');

/**
 * A secret, without the white space that files end with. Visible ASCII, because
 * it is sent in a header. A scheme in front of it (`Bearer `) is kept.
 */
export const secret = z
  .string()
  .trim()
  .regex(/^(?:(?:bearer|api-key) +)?[\x21-\x7e]+$/i, {
    error: 'must be visible ASCII without spaces',
  })
  .transform((text) => new Secret(text));

/** A JSON object of texts. */
export const textsByName = z.string().transform((input, context): ReadonlyMap<string, string> => {
  const result = z.record(z.string(), z.string()).safeParse(jsonFrom(input));
  if (result.success) return new Map(Object.entries(result.data));
  context.addIssue({ code: 'custom', message: 'must be a JSON object of strings' });
  return z.NEVER;
});

/** A JSON object of positive whole numbers. */
export const countsByName = z.string().transform((input, context): ReadonlyMap<string, number> => {
  const result = z.record(z.string(), z.int().positive()).safeParse(jsonFrom(input));
  if (result.success) return new Map(Object.entries(result.data));
  context.addIssue({ code: 'custom', message: 'must be a JSON object of positive whole numbers' });
  return z.NEVER;
});

function jsonFrom(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
