import fc from 'fast-check';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { int64Max, int64Schema } from '../../../src/schemas/int64.ts';
import { valueFromJsonText } from '../../../src/schemas/strict-json.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { createInputs } from '../surfaces.ts';

interface JsonInput {
  readonly kind: 'text' | 'integer';
  readonly text: string;
}

const depthMax = 16;
const int64 = int64Schema({ min: -int64Max - 1n, max: int64Max });

/** A text against what JSON.parse makes of it: the same, or refused for a reason that is there. */
function checkText(text: string): void {
  const plain = parsed(text);
  let exact: unknown;
  try {
    exact = valueFromJsonText(text, { depthMax });
  } catch (error) {
    promise(error instanceof GatewayError, () => `threw ${String(error)}`);
    const isRefusal = error.reason === 'malformed_json' || error.reason === 'invalid_request';
    promise(isRefusal, `refused as ${error.reason}`);
    promise(error.violations.length <= 32, 'more than 32 violations');
    if (plain === undefined) return promise(error.reason === 'malformed_json', 'no JSON at all');
    const hasCause = error.violations.length > 0 || depthOf(plain.value) > depthMax;
    return promise(hasCause, `refused without a cause: ${error.detail}`);
  }
  promise(plain !== undefined, 'what JSON.parse refuses is taken');
  promise(isSame(exact, plain.value), 'another value than JSON.parse reads');
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text.replace(/^\ufeff/, '')) as unknown };
  } catch {
    return undefined;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((most, item) => Math.max(most, depthOf(item)), 0);
}

/** Equal, but that a number may stand as the text of one that rounds to it. */
function isSame(exact: unknown, plain: unknown): boolean {
  if (typeof plain === 'number') {
    return typeof exact === 'string' ? Object.is(Number(exact), plain) : Object.is(exact, plain);
  }
  if (typeof plain !== 'object' || plain === null) return exact === plain;
  if (typeof exact !== 'object' || exact === null) return false;
  const names = Object.keys(plain);
  if (Object.keys(exact).length !== names.length) return false;
  return names.every(
    (name) =>
      Object.hasOwn(exact, name) &&
      isSame((exact as Record<string, unknown>)[name], (plain as Record<string, unknown>)[name]),
  );
}

const numberPattern = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** The integer that a JSON number is, by long arithmetic; undefined when it is none. */
function integerByBigInt(token: string): bigint | undefined {
  const match = numberPattern.exec(token);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match;
  const exponent = Number(exponentText) - fraction.length;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return 0n;
  if (Math.abs(exponent) > 2_000) return undefined;
  const scale = 10n ** BigInt(Math.abs(exponent));
  if (exponent < 0 && digits % scale !== 0n) return undefined;
  const size = exponent < 0 ? digits / scale : digits * scale;
  return sign === '-' ? -size : size;
}

/** An integer in a body is exact or refused. */
function checkInteger(token: string): void {
  if (!numberPattern.test(token)) return;
  const { seed } = valueFromJsonText(`{"seed":${token}}`, { depthMax }) as { seed: unknown };
  const result = int64.safeParse(seed);
  const expected = integerByBigInt(token);
  if (result.success) {
    return promise(result.data === expected, `${token} is taken for ${result.data}`);
  }
  const isInt64 = expected !== undefined && expected >= -int64Max - 1n && expected <= int64Max;
  // A number of thousands of characters may be refused for its length alone.
  promise(!isInt64 || token.length > 200, `${token} is refused, and is ${expected}`);
}

const near = [0n, 1n, 2n ** 53n, 2n ** 63n, 2n ** 63n - 1n, 10n ** 15n, 10n ** 18n, 2n ** 64n];
const integer = fc
  .tuple(fc.constantFrom(...near), fc.integer({ min: -3, max: 3 }), fc.boolean())
  .map(([base, offset, isNegative]) => (isNegative ? -1n : 1n) * (base + BigInt(offset)));
const digits = (max: number) =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max });
const spelled = fc
  .tuple(
    fc.oneof(integer, fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n })),
    fc.constantFrom('', '.0', '.000', '.5', '.00000000000000000001'),
    fc.constantFrom(
      '',
      '',
      'e0',
      'E+0',
      'e-0',
      'e3',
      'e-3',
      'e15',
      'e-18',
      'e400',
      'e-400',
      'e99999999',
    ),
  )
  .map((parts) => parts.join(''));
const loose = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits(24).map((found) => found.join('').replace(/^0+(?=.)/, '')),
    fc.oneof(
      fc.constant(''),
      digits(24).map((found) => `.${found.join('')}`),
    ),
    fc.oneof(
      fc.constant(''),
      fc.integer({ min: -40, max: 40 }).map((exponent) => `e${exponent}`),
    ),
  )
  .map((parts) => parts.join(''));

/** Strict JSON, and integers in it. */
export const jsonTexts: FuzzTarget = {
  name: 'json-texts',
  share: 0.14,
  async open() {
    const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8');
    return openTarget<JsonInput>({
      inputs: fc.oneof(
        fc.record({
          kind: fc.constant<'text'>('text'),
          text: fc.oneof(
            createInputs.map(({ body }) => utf8(body)),
            fc.json({ stringUnit: 'binary' }),
            fc.string({ unit: 'binary' }),
          ),
        }),
        fc.record({ kind: fc.constant<'integer'>('integer'), text: fc.oneof(spelled, loose) }),
      ),
      check: ({ kind, text }) => (kind === 'text' ? checkText(text) : checkInteger(text)),
    });
  },
};
