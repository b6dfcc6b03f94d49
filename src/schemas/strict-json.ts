import { GatewayError } from '../errors/gateway-error.ts';
import { ViolationList } from '../errors/violation-list.ts';
import { invalidRequest } from './invalid-request.ts';
import { jsonPointer } from './json-pointer.ts';
import { JsonScanner } from './json-scanner.ts';
import { jsonSyntaxViolation } from './json-syntax.ts';

const duplicateKey = { code: 'duplicate_key', detail: 'this key stands twice in one object' };

/** An escaped NUL or half of a surrogate pair: no other text in UTF-8 can be unsendable. */
const maybeUnsendable = /\\u(?:0000|d[89a-f])/i;

export interface JsonLimits {
  /** Deepest nesting of arrays and objects. */
  readonly depthMax: number;
}

/**
 * The exact value of a JSON text: no key stands twice, no text contains what
 * can't be sent to the upstream, and no number is rounded.
 *
 * An integer that a double can't hold comes back as its decimal digits in a
 * string, which is how proto3 JSON writes it anyway. A number that is an
 * integer only after rounding comes back as its own text, so that the schema
 * refuses it where it expects an integer.
 *
 * @throws GatewayError `malformed_json`, or `invalid_request` with the place of each violation.
 */
export function valueFromJsonText(sent: string, limits: JsonLimits): unknown {
  // Some editors write a byte order mark; RFC 8259, section 8.1, lets a reader ignore it.
  const text = sent.startsWith('\ufeff') ? sent.slice(1) : sent;
  if (text.trim() === '') throw malformed('the body is empty; expected a JSON object');
  const value = parsed(text);
  const violations = new ViolationList();
  const onDuplicate = (pointer: () => string) =>
    violations.add(duplicateKey, () => ({ pointer: pointer() }));
  const scan = new JsonScanner(text, { depthMax: limits.depthMax, onDuplicate }).scan();
  if (scan.isTooDeep) throw malformed(`the JSON is nested deeper than ${limits.depthMax} levels`);
  if (maybeUnsendable.test(text)) collectTextViolations(value, [], violations);
  if (violations.count > 0) throw invalidRequest(violations);
  return scan.exactText === undefined ? value : parsed(scan.exactText);
}

function parsed(text: string): unknown {
  try {
    // A key "__proto__" becomes a property of its own here, never a prototype,
    // and is then refused by name like any unknown field.
    return JSON.parse(text);
  } catch {
    // The engine's message repeats a piece of the body, which is not for the log.
    throw malformed(`the body is not valid JSON${placeOfSyntaxViolation(text)}`);
  }
}

function placeOfSyntaxViolation(text: string): string {
  const violation = jsonSyntaxViolation(text);
  if (violation === undefined) return '';
  const { offset, expected } = violation;
  if (offset === text.length) return `: it ends where ${expected} was expected`;
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  return `: expected ${expected} at line ${line}, column ${column}`;
}

function malformed(detail: string): GatewayError {
  return new GatewayError('malformed_json', detail, { outcome: 'not_started' });
}

/** Adds the texts that can't be sent to the upstream. Recursive: the depth was checked before. */
function collectTextViolations(
  value: unknown,
  path: (string | number)[],
  violations: ViolationList,
): void {
  if (typeof value === 'string') {
    const violation = textViolation(value);
    if (violation !== undefined) violations.add(violation, () => ({ pointer: jsonPointer(path) }));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    const violation = textViolation(key);
    // A pointer is text too, so it can't contain what is wrong with the key.
    if (violation !== undefined) {
      violations.add(violation, () => ({ pointer: jsonPointer(path) }));
      continue;
    }
    path.push(key);
    collectTextViolations((value as Readonly<Record<string, unknown>>)[key], path, violations);
    path.pop();
  }
}

function textViolation(text: string): { code: string; detail: string } | undefined {
  if (text.includes('\0')) return { code: 'nul', detail: 'a text may not hold U+0000' };
  if (!text.isWellFormed()) {
    return { code: 'lone_surrogate', detail: 'a text may not hold half of a surrogate pair' };
  }
  return undefined;
}
