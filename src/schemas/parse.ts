import type { z } from 'zod';
import type { Violation } from '../errors/gateway-error.ts';
import { invalidRequest, placedViolationsFromIssue } from './violation.ts';
import { canonicalBody, pointerFromPath, type FieldTree } from './field-names.ts';

/** A JSON body a route takes: its schema, and the names it may use. */
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
 * Reads a JSON body: either spelling, nulls as absent, exact integers.
 *
 * @throws GatewayError `invalid_request` or `unknown_field`, with every fault at its pointer.
 */
export function parseBody<Schema extends z.ZodType>(
  contract: BodyContract<Schema>,
  json: unknown,
  options: { readonly lenient: boolean },
): ParsedBody<z.output<Schema>> {
  const canonical = canonicalBody(contract.fields, json);
  const isIgnored = (fault: Violation) => options.lenient && fault.code === 'unknown_field';
  const faults = canonical.faults.filter((fault) => !isIgnored(fault));
  const result = contract.schema.safeParse(canonical.value, { reportInput: true });
  if (!result.success) {
    for (const { path, code, detail } of result.error.issues.flatMap(placedViolationsFromIssue)) {
      faults.push({ pointer: pointerFromPath(path, json), code, detail });
    }
  }
  if (!result.success || faults.length > 0) throw invalidRequest(faults);
  const ignored = canonical.faults.filter(isIgnored).map((fault) => fault.pointer ?? '');
  return { body: result.data, ignored };
}

/**
 * Reads the query of a request. A parameter that stands twice, or that the
 * route does not know, is refused by name.
 *
 * @throws GatewayError `invalid_request` or `unknown_field`.
 */
export function parseQuery<Schema extends z.ZodType>(
  schema: Schema,
  query: unknown,
): z.output<Schema> {
  const result = schema.safeParse(query, { reportInput: true });
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap(placedViolationsFromIssue);
  throw invalidRequest(
    faults.map(({ path, code, detail }) => ({
      parameter: String(path[0]),
      code,
      detail: code === 'type' ? 'expected one value' : detail,
    })),
  );
}
