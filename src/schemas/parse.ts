import type { z } from 'zod';
import { ViolationList } from '../errors/violation-list.ts';
import { invalidRequest, placedViolationsFromIssue } from './invalid-request.ts';
import { canonicalBody, pointerFromPath, type FieldTree } from './field-names.ts';
import { cutText } from '../text/cut-text.ts';

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

export interface ParsedQuery<Query> {
  readonly query: Query;
  /** Names of unknown parameters, each once. */
  readonly ignored: readonly string[];
}

/**
 * The query of a request after validation. Unknown parameters are ignored:
 * trackers, caches and client libraries add them to links.
 *
 * @param schema an object: its names are the known parameters.
 * @param options.strict refuses unknown parameters.
 * @throws GatewayError `invalid_request` or `unknown_field`.
 */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: Readonly<Record<string, unknown>>,
  options: { readonly strict: boolean },
): ParsedQuery<z.output<Schema>> {
  const { shape } = schema as unknown as z.ZodObject;
  const violations = new ViolationList();
  const known: Record<string, unknown> = {};
  const ignored: string[] = [];
  for (const name of Object.keys(query)) {
    const parameter = () => ({ parameter: cutText(name, nameCharactersMax) });
    if (!Object.hasOwn(shape, name)) {
      if (options.strict) violations.add(unknownParameter, parameter);
      else ignored.push(name);
    } else if (Array.isArray(query[name])) violations.add(repeatedParameter, parameter);
    else known[name] = query[name];
  }
  const result = schema.safeParse(known, { reportInput: true });
  for (const violation of result.error?.issues.flatMap(placedViolationsFromIssue) ?? []) {
    violations.add(violation, () => ({ parameter: String(violation.path[0]) }));
  }
  if (!result.success || violations.count > 0) throw invalidRequest(violations);
  return { query: result.data, ignored };
}

const nameCharactersMax = 64;
const unknownParameter = { code: 'unknown_field', detail: 'this parameter is not known' };
const repeatedParameter = { code: 'repeated', detail: 'expected one value' };
