import type { z } from 'zod';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ViolationList } from '../errors/violation-list.ts';

type Issue = z.core.$ZodIssue;

/** A violation by its path in the canonical body. */
export interface PlacedViolation {
  readonly path: readonly PropertyKey[];
  readonly code: string;
  readonly detail: string;
}

const expectedNames: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'an array',
  string: 'a string',
  number: 'a number',
  boolean: 'a boolean',
};

function nameOf(expected: string): string {
  return expectedNames[expected] ?? expected;
}

/** The violations in one zod issue, in words for callers; values are never repeated. */
export function placedViolationsFromIssue(issue: Issue): readonly PlacedViolation[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        code: 'unknown_field',
        detail: 'this name is not known',
      }));
    case 'invalid_type':
      return issue.input === undefined
        ? [{ path, code: 'required', detail: `expected ${nameOf(issue.expected)}, got nothing` }]
        : [{ path, code: 'type', detail: `expected ${nameOf(issue.expected)}` }];
    case 'invalid_union':
      return [{ path, code: 'type', detail: unionDetail(issue) }];
    case 'invalid_value':
      return [{ path, code: 'value', detail: `expected one of ${issue.values.join(', ')}` }];
    case 'custom': {
      const code: unknown = issue.params?.['code'];
      return [{ path, code: typeof code === 'string' ? code : 'invalid', detail: issue.message }];
    }
    case 'too_small':
      return [
        { path, code: 'too_small', detail: sizeDetail(issue.minimum, issue.origin, 'least') },
      ];
    case 'too_big':
      return [{ path, code: 'too_big', detail: sizeDetail(issue.maximum, issue.origin, 'most') }];
    default:
      return [{ path, code: 'pattern', detail: issue.message }];
  }
}

function sizeDetail(bound: number | bigint, origin: string, end: 'least' | 'most'): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' ? ' items' : '';
  return `expected at ${end} ${bound}${unit}`;
}

function unionDetail(issue: z.core.$ZodIssueInvalidUnion): string {
  const names = new Set<string>();
  for (const branch of issue.errors) {
    for (const inner of branch) {
      if (inner.code === 'invalid_type') names.add(nameOf(inner.expected));
    }
  }
  return names.size === 0 ? 'expected another value' : `expected ${[...names].join(' or ')}`;
}

/** The error of the violations of a request: `unknown_field` only when nothing else is wrong. */
export function invalidRequest({ kept, count, isOnlyUnknownFields }: ViolationList): GatewayError {
  const [first] = kept;
  const place = first?.pointer ?? first?.parameter ?? first?.header ?? 'the request';
  const more = count > 1 ? ` (and ${count - 1} more)` : '';
  const detail = `${place}: ${first?.detail ?? 'is not valid'}${more}`;
  return new GatewayError(isOnlyUnknownFields ? 'unknown_field' : 'invalid_request', detail, {
    violations: kept,
    outcome: 'not_started',
  });
}
