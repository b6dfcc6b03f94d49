import { GatewayError, type Violation } from '../errors/gateway-error.ts';
import { invalidRequest } from './violation.ts';
import { JsonScanner } from './json-scanner.ts';
import { jsonSyntaxViolation } from './json-syntax.ts';
import { pointerSegment } from './field-names.ts';

/** Faults that are told: a body can hold thousands, and the answer would outgrow it. */
const faultsMax = 32;

export interface JsonLimits {
  /** Deepest nesting of arrays and objects. */
  readonly depthMax: number;
}

/**
 * The value of a JSON text, exactly: no key stands twice, no text holds what
 * can't be sent on, and no number is rounded.
 *
 * An integer that a double can't hold comes back as its decimal digits in a
 * string, which is what proto3 JSON writes for it anyway. A number that would
 * only look like an integer after rounding comes back as its own text, for the
 * schema to refuse where an integer is wanted.
 *
 * @throws GatewayError `malformed_json`, or `invalid_request` with the place of each fault.
 */
export function valueFromJsonText(sent: string, limits: JsonLimits): unknown {
  // Some editors write a byte order mark; RFC 8259, section 8.1, lets a reader ignore it.
  const text = sent.startsWith('\ufeff') ? sent.slice(1) : sent;
  if (text.trim() === '') throw malformed('the body is empty; expected a JSON object');
  const value = parsed(text);
  const scan = new JsonScanner(text, limits.depthMax).scan();
  if (scan.isTooDeep) throw malformed(`the JSON is nested deeper than ${limits.depthMax} levels`);
  const faults: Violation[] = scan.duplicates.map((pointer) => ({
    pointer,
    code: 'duplicate_key',
    detail: 'this key stands twice in one object',
  }));
  collectTextFaults(value, '#', faults);
  if (faults.length > 0) throw invalidRequest(faults.slice(0, faultsMax));
  return scan.exactText === undefined ? value : parsed(scan.exactText);
}

function parsed(text: string): unknown {
  try {
    // A key "__proto__" becomes a property of its own here, never a prototype,
    // and is then refused by name like any unknown field.
    return JSON.parse(text);
  } catch (error) {
    throw malformed(`the body is not valid JSON${placeOfFault(text)}`, error);
  }
}

function placeOfFault(text: string): string {
  const fault = jsonSyntaxViolation(text);
  if (fault === undefined) return '';
  if (fault.offset === text.length) return `: it ends where ${fault.expected} was expected`;
  const before = text.slice(0, fault.offset);
  const line = before.split('\n').length;
  const column = fault.offset - before.lastIndexOf('\n');
  return `: expected ${fault.expected} at line ${line}, column ${column}`;
}

function malformed(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('malformed_json', detail, { cause, outcome: 'not_started' });
}

/** The depth is known to be bounded by now, so this may recurse. */
function collectTextFaults(value: unknown, pointer: string, faults: Violation[]): void {
  if (typeof value === 'string') {
    const fault = textFault(value);
    if (fault !== undefined) faults.push({ pointer, ...fault });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    const place = `${pointer}/${pointerSegment(key)}`;
    const fault = textFault(key);
    // A pointer is text too: what is wrong with the key can't stand in it.
    if (fault !== undefined) faults.push({ pointer, ...fault });
    else collectTextFaults(item, place, faults);
  }
}

function textFault(text: string): { code: string; detail: string } | undefined {
  if (text.includes('\0')) return { code: 'nul', detail: 'a text may not hold U+0000' };
  if (!text.isWellFormed()) {
    return { code: 'lone_surrogate', detail: 'a text may not hold half of a surrogate pair' };
  }
  return undefined;
}
