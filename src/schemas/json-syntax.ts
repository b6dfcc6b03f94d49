/** The place where a text stops being JSON, and what could stand there instead. */
export interface JsonSyntaxViolation {
  /** Index in UTF-16 units; the length of the text when it ends too early. */
  readonly offset: number;
  readonly expected: string;
}

/** What may come next, as the message says it. */
type Expected =
  | 'a value'
  | 'a value or "]"'
  | 'a name in double quotes'
  | 'a name in double quotes or "}"'
  | '":"'
  | '"," or "]"'
  | '"," or "}"'
  | 'the end';

interface Step {
  readonly at: number;
  readonly expected: Expected;
}

const spaces = /[ \t\n\r]*/y;
const scalar = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

function endOf(pattern: RegExp, text: string, at: number): number | undefined {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/**
 * The first violation of JSON's grammar in a text; undefined where there is
 * none. Needed because the message of JSON.parse gives no place in most cases,
 * and repeats a piece of the text instead. One pass, no recursion.
 */
export function jsonSyntaxViolation(text: string): JsonSyntaxViolation | undefined {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'a value';
  let at = 0;
  for (;;) {
    at = endOf(spaces, text, at) ?? at;
    if (at === text.length && expected === 'the end') return undefined;
    const step: Step | number = at === text.length ? at : nextStep(text, at, expected, open);
    if (typeof step === 'number') {
      if (step === at) return { offset: at, expected };
      const isCut = step === text.length;
      return { offset: step, expected: isCut ? 'the end of a string' : 'another character' };
    }
    ({ at, expected } = step);
  }
}

/** The step behind one token, or the offset of what is wrong with it. */
function nextStep(
  text: string,
  at: number,
  expected: Expected,
  open: ('{' | '[')[],
): Step | number {
  const character = text[at];
  if (isClose(character, expected)) {
    open.pop();
    return { at: at + 1, expected: afterValue(open) };
  }
  if (expected === '":"') return character === ':' ? { at: at + 1, expected: 'a value' } : at;
  if (expected === '"," or "]"' || expected === '"," or "}"') {
    const next = expected === '"," or "]"' ? 'a value' : 'a name in double quotes';
    return character === ',' ? { at: at + 1, expected: next } : at;
  }
  if (expected === 'the end') return at;
  const isName = expected.startsWith('a name');
  if (character === '"') {
    const end = stringEnd(text, at);
    if (!end.isValid) return end.at;
    return { at: end.at, expected: isName ? '":"' : afterValue(open) };
  }
  if (isName) return at;
  if (character === '{' || character === '[') {
    open.push(character);
    const first = character === '{' ? 'a name in double quotes or "}"' : 'a value or "]"';
    return { at: at + 1, expected: first };
  }
  const end = endOf(scalar, text, at);
  return end === undefined ? at : { at: end, expected: afterValue(open) };
}

function isClose(character: string | undefined, expected: Expected): boolean {
  return (character === '}' || character === ']') && expected.endsWith(`"${character}"`);
}

function afterValue(open: readonly ('{' | '[')[]): Expected {
  const innermost = open.at(-1);
  if (innermost === undefined) return 'the end';
  return innermost === '[' ? '"," or "]"' : '"," or "}"';
}

/** Index behind the closing quote, or of what is wrong with the string, which is never its start. */
function stringEnd(
  text: string,
  start: number,
): { readonly at: number; readonly isValid: boolean } {
  let at = start + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return { at: at + 1, isValid: true };
    if (code < 0x20) return { at, isValid: false };
    const end = code === 0x5c ? endOf(escape, text, at) : at + 1;
    if (end === undefined) return { at, isValid: false };
    at = end;
  }
  return { at, isValid: false };
}
