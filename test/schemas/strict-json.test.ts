import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { jsonSyntaxViolation } from '../../src/schemas/json-syntax.ts';
import { valueFromJsonText } from '../../src/schemas/strict-json.ts';

const limits = { depthMax: 16 };

function value(text: string): unknown {
  return valueFromJsonText(text, limits);
}

function errorOf(text: string): GatewayError {
  try {
    value(text);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

function violationsOf(text: string): (readonly [string | undefined, string])[] {
  return errorOf(text).violations.map(({ pointer, code }) => [pointer, code] as const);
}

function medianMs(run: () => void): number {
  const times = Array.from({ length: 3 }, () => {
    const startMs = performance.now();
    run();
    return performance.now() - startMs;
  });
  return times.toSorted((one, other) => one - other)[1] ?? Number.NaN;
}

test.each([
  ['9007199254740991', 9007199254740991],
  ['9007199254740992', '9007199254740992'],
  ['9007199254740993', '9007199254740993'],
  ['-9007199254740993', '-9007199254740993'],
  ['9223372036854775807', '9223372036854775807'],
  ['1e16', '10000000000000000'],
  ['1E+16', '10000000000000000'],
  ['9.007199254740993e15', '9007199254740993'],
  ['90071992547409930e-1', '9007199254740993'],
  ['1e39', `1${'0'.repeat(39)}`],
  ['1e300', '1e300'],
  ['1e999999999', '1e999999999'],
  ['1e-999999999', '1e-999999999'],
  ['0e999999999', 0],
  ['9'.repeat(400), '9'.repeat(400)],
  ['1863.0000000000000001', '1863.0000000000000001'],
  ['9007199254740993.5', '9007199254740993.5'],
  ['1863.0000000000000000', 1863],
  ['1e5', 100000],
  ['1.0', 1],
  ['0.1', 0.1],
  ['-0', -0],
  ['1.7976931348623157e308', '1.7976931348623157e308'],
  ['0.30000000000000004', 0.30000000000000004],
])('reads the number %s as it is', (token, expected) => {
  expect(value(`{"seed":${token}}`)).toStrictEqual({ seed: expected });
  expect(value(`[${token},{"a":${token}}]`)).toStrictEqual([expected, { a: expected }]);
});

test('leaves digits inside a text alone', () => {
  expect(value('{"prompt":"9007199254740993, \\"9007199254740993\\": 1e16"}')).toStrictEqual({
    prompt: '9007199254740993, "9007199254740993": 1e16',
  });
});

test.each([
  ['{"a":1,"a":2}', '#/a'],
  ['{"a":1,"\\u0061":2}', '#/a'],
  ['{"a":{"b":[{"c":1,"c":1}]}}', '#/a/b/0/c'],
  ['[0,{"x":[1,2],"x":1}]', '#/1/x'],
  ['{"":1,"":2}', '#/'],
  ['{"a/b~c":1,"a\\/b~c":2}', '#/a~1b~0c'],
  ['{"__proto__":1,"__proto__":2}', '#/__proto__'],
  ['{"\\\\":1,"\\\\":2}', '#/\\'],
])('names the key that stands twice in %s', (text, pointer) => {
  expect(violationsOf(text)).toStrictEqual([[pointer, 'duplicate_key']]);
  expect(errorOf(text).reason).toBe('invalid_request');
});

test('accepts one key in two objects', () => {
  expect(value('{"a":{"a":1},"b":[{"a":1},{"a":2}]}')).toStrictEqual({
    a: { a: 1 },
    b: [{ a: 1 }, { a: 2 }],
  });
});

test('reports a bounded number of violations', () => {
  expect(violationsOf(`{${'"a":1,'.repeat(10_000)}"a":1}`)).toHaveLength(32);
});

test.each([
  ['{"a":"\\ud800"}', '#/a', 'lone_surrogate'],
  ['{"a":["x","\\udc00\\ud800"]}', '#/a/1', 'lone_surrogate'],
  ['{"a":{"\\ud800":1}}', '#/a', 'lone_surrogate'],
  ['{"a":"x\\u0000"}', '#/a', 'nul'],
  ['{"\\u0000":1}', '#', 'nul'],
])('refuses the text in %s, which can not be sent on', (text, pointer, code) => {
  expect(violationsOf(text)).toStrictEqual([[pointer, code]]);
});

test('accepts a surrogate pair, escaped or not', () => {
  expect(value('{"a":"\\ud83d\\ude00😀"}')).toStrictEqual({ a: '😀😀' });
});

test('ignores a byte order mark, but only one and only in front', () => {
  expect(value('\ufeff{"a":9007199254740993}')).toStrictEqual({ a: '9007199254740993' });
  expect(errorOf('\ufeff\ufeff{}').reason).toBe('malformed_json');
  expect(errorOf('{}\ufeff').reason).toBe('malformed_json');
});

test('counts arrays and objects as levels', () => {
  const nested = (depth: number) => '{"a":['.repeat(depth / 2) + ']}'.repeat(depth / 2);
  expect(() => value(nested(16))).not.toThrow();
  expect(errorOf(nested(18)).detail).toBe('the JSON is nested deeper than 16 levels');
});

test.each([
  ['[', ']'],
  ['{"a":', '1}'],
])('survives 100,000 levels of %s', (open, close) => {
  const text = open.repeat(100_000) + close.repeat(100_000);
  expect(errorOf(text).reason).toBe('malformed_json');
});

test.each([
  ['', 'the body is empty; expected a JSON object'],
  [' \n ', 'the body is empty; expected a JSON object'],
  ['{"a":\n }', 'the body is not valid JSON: expected a value at line 2, column 2'],
  ['{"a":1,}', 'the body is not valid JSON: expected a name in double quotes at line 1, column 8'],
  ['{"a" 1}', 'the body is not valid JSON: expected ":" at line 1, column 6'],
  ['[1 2]', 'the body is not valid JSON: expected "," or "]" at line 1, column 4'],
  ['{"a":1} x', 'the body is not valid JSON: expected the end at line 1, column 9'],
  ['{"a":"secret', 'the body is not valid JSON: it ends where the end of a string was expected'],
  ['{"a":"\n"}', 'the body is not valid JSON: expected another character at line 1, column 7'],
  ['{"a":"\\x"}', 'the body is not valid JSON: expected another character at line 1, column 7'],
  [
    "{'a':1}",
    'the body is not valid JSON: expected a name in double quotes or "}" at line 1, column 2',
  ],
  ['[NaN]', 'the body is not valid JSON: expected a value or "]" at line 1, column 2'],
  ['01', 'the body is not valid JSON: expected the end at line 1, column 2'],
  ['[[]', 'the body is not valid JSON: it ends where "," or "]" was expected'],
])('tells where %j is broken without repeating it', (text, detail) => {
  expect(errorOf(text)).toMatchObject({ reason: 'malformed_json', detail });
});

test.each(['__proto__', 'constructor', 'prototype'])('reads %s as a key like any other', (key) => {
  const read = value(`{"${key}":{"prototype":{"polluted":true},"polluted":true}}`) as object;
  expect(Object.keys(read)).toStrictEqual([key]);
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test.each([
  ['a run of zeros that a digit ends', `{"a":1.${'0'.repeat(65_000)}1}`],
  ['a run of zeros and an exponent', `{"a":1${'0'.repeat(60_000)}1e-60000}`],
  ['many long exponents', `[${'1e39,'.repeat(12_000)}1]`],
  ['many equal keys', `{${'"a":1,'.repeat(10_000)}"a":1}`],
  ['many backslashes', `["${'\\\\'.repeat(32_000)}"]`],
  ['many short strings before one backslash', `[${'"",'.repeat(20_000)}"\\n"]`],
  ['a string without an end', `{"a":"${'\\"'.repeat(32_000)}`],
  ['levels without an end', '['.repeat(65_000)],
])('reads 64 KiB of %s in time that grows with its length', (_, text) => {
  // Some milliseconds when linear; a quadratic pass takes a second and more.
  const run = () => {
    try {
      value(text);
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
    }
  };
  expect(medianMs(run)).toBeLessThan(400);
});

test('agrees with JSON.parse wherever no number is rounded', () => {
  const key = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('__proto__', 'a', '"', '\\'),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', maxDepth: 10 },
      fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('tree')),
      fc.dictionary(
        key.filter((text) => !text.includes('\0')),
        tie('tree'),
      ),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.constantFrom('', ' ', '\n\t'), (sent, space) => {
      const text = JSON.stringify(sent, undefined, space);
      expect(value(text)).toStrictEqual(JSON.parse(text));
    }),
  );
});

test('keeps every integer exact, however it is written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }), fc.nat(30), (exact, shift) => {
      const zeros = exact === 0n ? '' : '0'.repeat(shift);
      for (const text of [`${exact}`, `${exact}.000`, `${exact}${zeros}e-${zeros.length}`]) {
        expect(BigInt(value(text) as string | number)).toBe(exact);
      }
    }),
  );
});

test('finds a violation in exactly the texts that JSON.parse refuses', () => {
  const piece = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"a"', '"', '\\', '\\u00e9', '\n', ' ', '\u0001'],
    ...['1', '-', '0', '.5', 'e', '+', 'true', 'false', 'null', 'nul', '😀', '\ufeff', '\u00a0'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join('');
      let isValid = true;
      try {
        JSON.parse(text);
      } catch {
        isValid = false;
      }
      const violation = jsonSyntaxViolation(text);
      expect(violation === undefined).toBe(isValid);
      if (violation !== undefined) expect(violation.offset).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 5_000 },
  );
});
