import fc, { type Arbitrary } from 'fast-check';
import { anyBytes, mutatedTexts } from './byte-mutation.ts';

/** What a header value can be once an HTTP parser let it through: latin1 without control characters. */
export function asHeaderValue(text: string): string {
  return text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '').trim();
}

const texts: Readonly<Record<string, readonly string[]>> = {
  accept: [
    ...[
      '*/*',
      'application/json',
      'image/*',
      'image/png;q=0.5, application/json;q=0.4',
      'image/webp',
    ],
    ...[
      'text/event-stream',
      'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8',
      'image/avif, */*;q=0',
    ],
    ...['', 'application/json;q=0', 'image/jpeg;q=1.000;level=1', ',,,', '*/*;q=2', '*/json'],
  ],
  prefer: [
    ...['wait=1', 'respond-async', 'wait=0', 'respond-async, wait=1', 'handling=lenient'],
    ...[
      'handling=strict',
      'wait=NaN',
      'wait=-1',
      'wait=1e18',
      'wait="1"',
      'return=minimal; foo="a,b"',
    ],
  ],
  range: [
    ...['bytes=0-', 'bytes=0-9', 'bytes=-5', 'bytes=0-0,2-3', 'bytes=99-', 'items=0-1', 'bytes=-0'],
    ...['bytes=9-1', 'bytes=99999999999999999999-', 'bytes=0-99999999999999999999', 'bytes='],
  ],
  'if-range': ['"x"', 'W/"x"', 'Mon, 23 Nov 2026 10:00:00 GMT', ''],
  'if-none-match': ['*', '"a", W/"2"', 'W/"2"', '"', ',,"', 'W/"1", W/"2"'],
  'idempotency-key': ['a-key', '"a key"', '"quoted\\"key"', '', '"', 'x'.repeat(256), '\xff'],
  authorization: [
    ...['Bearer token', 'Api-Key abc', 'Bearer  a', 'Basic YTpi', 'Bearer a b', 'bearer gw_t_x'],
    ...[`Bearer ${'x'.repeat(4_097)}`, 'Bearer', '', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ],
  'x-api-key': ['abc', 'a b', '', 'x'.repeat(5_000), '\xe9'],
  'x-request-id': ['id-1', '', 'x'.repeat(129), 'a b', '../..', '\xff', '{{7*7}}'],
  traceparent: [
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-00000000000000000000000000000000-0000000000000000-00',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x',
  ],
  'last-event-id': ['1', '2', '0', '-1', '999999999', '9999999999', '1e1', ''],
  'x-stainless-timeout': ['600', '0', '-1', 'NaN', 'Infinity', '1e18', '0x10', '', '2.5'],
  'x-stainless-retry-count': ['0', '1', '2', '-1', '1e9', 'x'],
  'openai-project': ['folder', '', 'b1g-x', '../x', 'x'.repeat(64), 'a b', '\xfc'],
  'content-type': [
    ...['application/json', 'application/json; charset=utf-8', 'application/json;charset=latin1'],
    ...['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset="UTF-8"', ''],
    ...['application/json; charset', 'multipart/form-data; boundary=x', 'APPLICATION/JSON', 'a'],
    'application/problem+json',
  ],
  'content-encoding': ['identity', 'gzip', '', 'br, gzip'],
  origin: ['https://example.org', 'null', 'http://[::1', '*'],
  'access-control-request-method': ['POST', 'DELETE', ''],
  cookie: ['a=b', ';;;=', '__proto__=1'],
  // Names that an object of JavaScript has anyway.
  __proto__x: ['1'],
  constructor: ['1'],
  tostring: ['1'],
};

const names = Object.keys(texts);

/** One value of a header, right or nearly. */
export function headerValue(name: string): Arbitrary<string> {
  const right = texts[name] ?? [''];
  const pieces = fc.oneof(
    anyBytes,
    fc.constantFrom(',', ';', '"', '=', ';q=', '*/*', '\\', '-', '/', ' , ', '%00', ';q=0.001'),
  );
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...right) },
    {
      weight: 2,
      arbitrary: mutatedTexts(right, { pieces, mutationsMax: 3, charactersMax: 6_000 }).map(
        asHeaderValue,
      ),
    },
  );
}

/** Headers by name; a list is several lines. */
export type OddHeaders = Readonly<Record<string, string | readonly string[]>>;

const line: Arbitrary<[string, string | readonly string[]]> = fc
  .constantFrom(...names)
  .chain((name) => {
    const value = headerValue(name);
    const values = fc.oneof(
      { weight: 12, arbitrary: value },
      { weight: 1, arbitrary: fc.array(value, { minLength: 2, maxLength: 3 }) },
    );
    return values.map((found): [string, string | readonly string[]] => [name, found]);
  });

/** Some of the headers that the gateway reads, and some that it does not. */
export const oddHeaders: Arbitrary<OddHeaders> = fc.oneof(
  {
    weight: 200,
    arbitrary: fc.array(line, { maxLength: 5 }).map((lines) => Object.fromEntries(lines)),
  },
  // So many lines that some would be dropped.
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 90, max: 130 })
      .map((count) => ({ 'x-filler': Array.from({ length: count }, (_, index) => `${index}`) })),
  },
);
