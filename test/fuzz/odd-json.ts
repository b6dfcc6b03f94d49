import fc, { type Arbitrary } from 'fast-check';

/** Values that readers of JSON stumble over, as they are spelled. */
const oddValues = [
  ...['null', 'true', 'false', '[]', '{}', '""', '[null]', '{"a":1}', '[[[[]]]]', '"null"'],
  ...[
    '0',
    '-0',
    '-1',
    '1e5',
    '1.0',
    '1.5',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '0x10',
    'NaN',
    'Infinity',
  ],
  ...['9007199254740991', '9007199254740993', '9223372036854775807', '9223372036854775808'],
  ...['-9223372036854775809', '1e308', '1e309', '1e-400', '1e999999999', '0e999999999', '1e19'],
  ...['1.0000000000000001', '9007199254740993.0', '"9223372036854775808"', '"1e5"', '"0x10"'],
  ...['"+1"', '" 1"', '"1.5"', '"-0"', '"00"', '"1_000"', '"\\u0661"'],
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"\\ud83d\\ude00"',
    '"\\u2028"',
    '"\\/"',
    '"\\x"',
  ],
  ...['"__proto__"', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":{"a":1}}}'],
  ...['"image/jpeg"', '"image/png"', '"image/svg+xml"', '"16:9"', '"0:1"', '"1024x1024"', '"1x0"'],
  ...['"art://folder/yandex-art/latest"', '"art://../../x"', '"../../etc/passwd"', '"b64_json"'],
  `"${'9'.repeat(400)}"`,
  '9'.repeat(400),
  `1${'0'.repeat(300)}e-300`,
  `"${'a'.repeat(600)}"`,
  `${'['.repeat(17)}${']'.repeat(17)}`,
  `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`,
  '['.repeat(3_000),
  `"${'\xf0\x9f\x98\x80'.repeat(500)}"`,
  '"\xff"',
  '"\xed\xa0\x80"',
  '"\xc0\xaf"',
  '"\n"',
];

const oddNames = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf', 'then'],
  ...['', ' ', 'a/b~c', 'a~1b', '\\u0061', '\\ud800', '\\u0000', '\\"', '\xc3\xa9', '0', '-1'],
  ...['Prompt', 'PROMPT', 'prompt ', 'pro\\u006dpt', '$ref', '@type', 'x'.repeat(300)],
  '\xf0\x9f\x98\x80'.repeat(90),
  `a${'\xf0\x9f\x98\x80'.repeat(90)}`,
];

const text = fc
  .string({ unit: 'grapheme', maxLength: 40 })
  .map((value) => Buffer.from(JSON.stringify(value)).toString('latin1'));

const anyValue: Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...oddValues) },
  { weight: 2, arbitrary: text },
  { weight: 2, arbitrary: fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String) },
  { weight: 1, arbitrary: fc.double().map((value) => String(value)) },
  {
    weight: 1,
    arbitrary: fc.json({ maxDepth: 4 }).map((json) => Buffer.from(json).toString('latin1')),
  },
);

/** A field of a body, by its name: texts of values that are right, or nearly. */
export type FieldTexts = Readonly<Record<string, readonly string[]>>;

/**
 * Bodies made of fields that are right, fields that are odd, and fields that
 * stand twice. As they go over the wire, in latin1.
 *
 * @param fields What the surface takes.
 * @param required Fields that most bodies have, so that the others are looked at too.
 */
export function oddBodies(fields: FieldTexts, required: readonly string[]): Arbitrary<string> {
  const names = Object.keys(fields);
  const right = (name: string) =>
    fc.constantFrom(...(fields[name] ?? [])).map((value): [string, string] => [name, value]);
  const known = fc.constantFrom(...names).chain(right);
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const nameText = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...names) },
    { weight: 2, arbitrary: fc.constantFrom(...names.map(snake)) },
    { weight: 1, arbitrary: fc.constantFrom(...oddNames) },
  );
  const odd = fc.tuple(nameText, anyValue);
  const space = fc.constantFrom('', '', '', ' ', '\n', '\t', '\xa0');
  return fc
    .record({
      first: fc.subarray([...required], { minLength: Math.max(0, required.length - 1) }),
      values: fc.tuple(...required.map(right)),
      known: fc.array(known, { maxLength: 3 }),
      odd: fc.array(odd, { maxLength: 2 }),
      space,
      shape: fc.constantFrom<'object' | 'array' | 'bare'>(
        ...(['object', 'object', 'object', 'object', 'object', 'array', 'bare'] as const),
      ),
      bare: anyValue,
    })
    .map((parts) => {
      if (parts.shape === 'bare') return parts.bare;
      const wanted = parts.values.filter(([name]) => parts.first.includes(name));
      const entries = [...wanted, ...parts.known, ...parts.odd].map(
        ([name, value]) => `"${name}":${parts.space}${value}`,
      );
      const object = `{${parts.space}${entries.join(`,${parts.space}`)}}`;
      return parts.shape === 'array' ? `[${object}]` : object;
    });
}
