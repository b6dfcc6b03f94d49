import type { z } from 'zod';
import type { Violation } from '../errors/gateway-error.ts';
import { invalidRequest, placedViolationsFromIssue } from './violation.ts';
import { canonicalBody, pointerFromPath, type FieldTree } from './field-names.ts';

/** The JSON body of a route: its schema, and the field names it may use. */
export interface BodyContract<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  readonly fields: FieldTree;
}

export interface ParsedBody<Body> {
  readonly body: Body;
  /** JSON pointers of unknown fields that were ignored; empty unless `lenient`. */
  readonly ignored: readonly string[];
}

/**
 * A JSON body after validation: field names in camelCase, nulls left out, exact integers.
 *
 * @throws GatewayError `invalid_request` or `unknown_field`, with each violation at its pointer.
 */
export function parseBody<Schema extends z.ZodType>(
  contract: BodyContract<Schema>,
  json: unknown,
  options: { readonly lenient: boolean },
): ParsedBody<z.output<Schema>> {
  const canonical = canonicalBody(contract.fields, json);
  const isIgnored = ({ code }: Violation) => options.lenient && code === 'unknown_field';
  const violations = canonical.violations.filter((violation) => !isIgnored(violation));
  const result = contract.schema.safeParse(canonical.value, { reportInput: true });
  if (!result.success) {
    for (const { path, code, detail } of result.error.issues.flatMap(placedViolationsFromIssue)) {
      violations.push({ pointer: pointerFromPath(path, json), code, detail });
    }
  }
  if (!result.success || violations.length > 0) throw invalidRequest(violations);
  const ignored = canonical.violations.filter(isIgnored).map(({ pointer = '' }) => pointer);
  return { body: result.data, ignored };
}

/**
 * The query of a request after validation. A parameter that stands twice, or
 * that the route does not know, is refused by name.
 *
 * @throws GatewayError `invalid_request` or `unknown_field`.
 */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: unknown,
): z.output<Schema> {
  const result = schema.safeParse(query, { reportInput: true });
  if (result.success) return result.data;
  const violations = result.error.issues.flatMap(placedViolationsFromIssue);
  throw invalidRequest(
    violations.map(({ path, code, detail }) => ({
      parameter: String(path[0]),
      code,
      detail: code === 'type' ? 'expected one value' : detail,
    })),
  );
}
