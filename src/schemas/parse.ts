import type { z } from 'zod';
import { ViolationList } from '../errors/violation-list.ts';
import { invalidRequest, placedViolationsFromIssue } from './invalid-request.ts';
import { canonicalBody, pointerFromPath, type FieldTree } from './field-names.ts';

/** The JSON body of a route: its schema, and the field names it may use. */
export interface BodyContract<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  readonly fields: FieldTree;
  /** Whether empty strings, lists and objects are absent, as in proto3 JSON. Absent: they are not. */
  readonly emptyIsAbsent?: boolean;
}

export interface ParsedBody<Body> {
  readonly body: Body;
  /** JSON pointers of unknown fields that were ignored, the first of them; empty unless `lenient`. */
  readonly ignored: readonly string[];
}

/**
 * A JSON body after validation: field names in camelCase, absent fields left out, exact integers.
 *
 * @throws GatewayError `invalid_request` or `unknown_field`, with each violation at its pointer.
 */
export function parseBody<Schema extends z.ZodType>(
  { schema, fields, emptyIsAbsent = false }: BodyContract<Schema>,
  json: unknown,
  options: { readonly lenient: boolean },
): ParsedBody<z.output<Schema>> {
  const violations = new ViolationList();
  const ignored: string[] = [];
  const value = canonicalBody(fields, json, {
    emptyIsAbsent,
    violations,
    ignored: options.lenient ? ignored : undefined,
  });
  const result = schema.safeParse(value, { reportInput: true });
  for (const violation of result.error?.issues.flatMap(placedViolationsFromIssue) ?? []) {
    violations.add(violation, () => ({ pointer: pointerFromPath(violation.path, json) }));
  }
  if (!result.success || violations.count > 0) throw invalidRequest(violations);
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
  const violations = new ViolationList();
  for (const { path, code, detail } of result.error.issues.flatMap(placedViolationsFromIssue)) {
    violations.add({ code, detail: code === 'type' ? 'expected one value' : detail }, () => ({
      parameter: String(path[0]),
    }));
  }
  throw invalidRequest(violations);
}
