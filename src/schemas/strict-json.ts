import { GatewayError, type Violation } from '../errors/gateway-error.ts';
import { invalidRequest } from './violation.ts';
import { JsonScanner } from './json-scanner.ts';
import { jsonSyntaxViolation } from './json-syntax.ts';
import { pointerSegment } from './field-names.ts';

/** Most violations in one response: a body can have thousands, and the response would be larger than the body. */
const violationsMax = 32;

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
  const scan = new JsonScanner(text, limits.depthMax).scan();
  if (scan.isTooDeep) throw malformed(`the JSON is nested deeper than ${limits.depthMax} levels`);
  const violations: Violation[] = scan.duplicates.map((pointer) => ({
    pointer,
    code: 'duplicate_key',
    detail: 'this key stands twice in one object',
  }));
  collectTextViolations(value, '#', violations);
  if (violations.length > 0) throw invalidRequest(violations.slice(0, violationsMax));
  return scan.exactText === undefined ? value : parsed(scan.exactText);
}

function parsed(text: string): unknown {
  try {
    // A key "__proto__" becomes a property of its own here, never a prototype,
    // and is then refused by name like any unknown field.
    return JSON.parse(text);
  } catch (error) {
    throw malformed(`the body is not valid JSON${placeOfSyntaxViolation(text)}`, error);
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

function malformed(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('malformed_json', detail, { cause, outcome: 'not_started' });
}

/** Adds the texts that can't be sent to the upstream. Recursive: the depth was checked before. */
function collectTextViolations(value: unknown, pointer: string, violations: Violation[]): void {
  if (typeof value === 'string') {
    const violation = textViolation(value);
    if (violation !== undefined) violations.push({ pointer, ...violation });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const place = `${pointer}/${pointerSegment(key)}`;
    const violation = textViolation(key);
    // A pointer is text too, so it can't contain what is wrong with the key.
    if (violation !== undefined) violations.push({ pointer, ...violation });
    else collectTextViolations(item, place, violations);
  }
}

function textViolation(text: string): { code: string; detail: string } | undefined {
  if (text.includes('\0')) return { code: 'nul', detail: 'a text may not hold U+0000' };
  if (!text.isWellFormed()) {
    return { code: 'lone_surrogate', detail: 'a text may not hold half of a surrogate pair' };
  }
  return undefined;
}
