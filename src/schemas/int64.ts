import { z } from 'zod';

const decimalInteger = /^-?(?:0|[1-9][0-9]*)$/;

/** Digits of the largest int64. Longer texts are out of range, and are not converted. */
const digitsMax = 19;

/**
 * An int64 as proto3 JSON writes it: a decimal string, or a JSON integer.
 *
 * Exact or refused. A JSON number reaches this schema unrounded because
 * `strict-json.ts` passes on as text what a double can't hold.
 */
export function int64Schema(bounds: { readonly min: bigint; readonly max: bigint }) {
  return z.union([z.string(), z.number()]).transform((input, context): bigint => {
    const refuse = (code: string, detail: string) => {
      context.addIssue({ code: 'custom', params: { code }, message: detail, input });
      return z.NEVER;
    };
    const text = typeof input === 'number' ? textFromNumber(input) : input;
    if (text === undefined || !decimalInteger.test(text)) {
      return refuse('pattern', 'expected an integer, as decimal digits');
    }
    const outOfRange = `expected an integer from ${bounds.min} to ${bounds.max}`;
    if (text.length > digitsMax + 1) return refuse('out_of_range', outOfRange);
    const value = BigInt(text);
    if (value < bounds.min || value > bounds.max) return refuse('out_of_range', outOfRange);
    return value;
  });
}

function textFromNumber(input: number): string | undefined {
  // -0 is the integer 0; BigInt has no sign for it.
  return Number.isSafeInteger(input) ? String(input) : undefined;
}

export const int64Max = 2n ** 63n - 1n;

const decimalNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/**
 * A double as proto3 JSON writes it: a JSON number, or the same as a string.
 * NaN and the infinities have no meaning as a weight and are refused.
 */
export const doubleSchema = z
  .union([z.string(), z.number()])
  .transform((input, context): number => {
    const isNumber = typeof input === 'number' || decimalNumber.test(input);
    const value = isNumber ? Number(input) : Number.NaN;
    if (Number.isFinite(value)) return value;
    context.addIssue({
      code: 'custom',
      params: { code: 'pattern' },
      message: 'expected a finite number',
      input,
    });
    return z.NEVER;
  });

/**
 * The documented form of a schema that accepts several JSON types: the one type
 * that generators should send. Most generators can't read a union of types.
 */
export function documentedAs(documented: Readonly<Record<string, unknown>>) {
  return ({ jsonSchema }: { jsonSchema: object }): void => {
    delete (jsonSchema as { anyOf?: unknown }).anyOf;
    Object.assign(jsonSchema, documented);
  };
}
