import fc, { type Arbitrary } from 'fast-check';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { acceptQuality, negotiate } from '../../../src/http/accept.ts';
import {
  byteRangeFromHeader,
  ifRangeHolds,
  matchesETag,
  preconditionOf,
  timeFromHttpDate,
} from '../../../src/http/conditional.ts';
import { presentedCredentialFromHeaders } from '../../../src/http/presented-credential.ts';
import { idempotencyKeyFromHeaders } from '../../../src/http/idempotency-key.ts';
import { preferencesFromHeader } from '../../../src/http/prefer.ts';
import { continuedTraceparent } from '../../../src/observability/trace-context.ts';
import { waitQuery } from '../../../src/schemas/contracts/parameters.ts';
import { openTarget, promise, type FuzzTarget } from '../fuzz-target.ts';
import { headerValue } from '../odd-headers.ts';

interface GrammarInput {
  readonly grammar: keyof typeof checks;
  readonly text: string;
  readonly byteLength: number;
}

/** What must hold for every text, checked by a slower second way where there is one. */
const checks = {
  accept(text: string) {
    const negotiated = negotiate(text, ['image/jpeg', 'image/png']);
    const forms = ['json', 'image', 'events', undefined];
    promise(forms.includes(negotiated?.form), 'a form that is none');
    const isKnown = ['image/jpeg', 'image/png', undefined].includes(negotiated?.mediaType);
    promise(isKnown, 'a media type that can not be made');
    const quality = acceptQuality(text, 'application/json');
    promise(quality >= 0 && quality <= 1, `a quality of ${quality}`);
    const isImageRead = negotiate(text, 'any')?.form === 'image';
    promise(!isImageRead || /image|\*/i.test(text), 'an image that is not wanted');
  },
  prefer(text: string) {
    const { waitS } = preferencesFromHeader(text);
    const isInRange = waitS === undefined || (Number.isInteger(waitS) && waitS >= 0 && waitS <= 60);
    promise(isInRange, `a wait of ${waitS} s`);
  },
  range(text: string, byteLength: number) {
    const range = byteRangeFromHeader(text, byteLength);
    const oracle = rangeByBigInt(text, BigInt(byteLength));
    const shown = typeof range === 'string' ? range : `${range.from}-${range.to}`;
    promise(oracle === undefined || oracle === shown, `${text} is ${shown} and not ${oracle}`);
    if (typeof range === 'string') return;
    const { from, to } = range;
    const isWithin = from >= 0 && from <= to && to < byteLength;
    promise(isWithin && Number.isInteger(from) && Number.isInteger(to), `bytes ${from} to ${to}`);
  },
  'if-range'(text: string) {
    const holds = ifRangeHolds(text, { etag: '"etag"', lastModifiedMs: 784_111_777_999 });
    const isDate = timeFromHttpDate(text) === 784_111_777_000;
    promise(!holds || isDate || text.trim() === '"etag"', 'a weak If-Range holds');
  },
  'if-modified-since'(text: string) {
    const headers = { 'if-modified-since': text };
    const result = preconditionOf(headers, { etag: '"etag"', lastModifiedMs: 784_111_777_999 });
    const isLater = (timeFromHttpDate(text) ?? 0) >= 784_111_777_000;
    promise(isLater === (result === 'not modified'), `${result} since ${text}`);
  },
  'if-match'(text: string) {
    const result = preconditionOf({ 'if-match': text }, { etag: '"1"' });
    const isNamed = text.includes('"1"') || text.trim() === '*';
    promise(result === 'failed' || isNamed, 'an ETag that is not named');
  },
  'if-none-match'(text: string) {
    const matches = matchesETag(text, 'W/"1"');
    promise(!matches || text.includes('"1"') || text.trim() === '*', 'an ETag that is not named');
  },
  'idempotency-key'(text: string) {
    const key = refusedWith('idempotency_key_invalid', () =>
      idempotencyKeyFromHeaders(['Idempotency-Key', text]),
    );
    promise(key === undefined || /^[\x21-\x7e]{1,255}$/.test(key), `a key ${key}`);
  },
  authorization(text: string) {
    const presented = refusedWith('unauthenticated', () =>
      presentedCredentialFromHeaders({ authorization: text }),
    );
    promise(presented === undefined || text.includes(presented.text), 'a credential of its own');
  },
  'x-api-key'(text: string) {
    const presented = refusedWith('unauthenticated', () =>
      presentedCredentialFromHeaders({ 'x-api-key': text }),
    );
    promise(presented === undefined || text.trim() === presented.text, 'a credential of its own');
  },
  traceparent(text: string) {
    const continued = continuedTraceparent(text);
    const isSameTrace = continued?.slice(0, 36) === text.slice(0, 36);
    promise(continued === undefined || isSameTrace, 'another trace');
  },
  wait(text: string) {
    const result = waitQuery.safeParse(text);
    const seconds = result.data;
    const isInRange = seconds === undefined || (seconds >= 0 && seconds <= 60);
    promise(isInRange, `a wait of ${seconds} s`);
    const isPlain = /^[0-9]+(?:\.[0-9]+)?$/.test(text) && text.length < 300;
    promise(!isPlain || result.success, `${text} is refused`);
  },
} as const;

/** The value, unless it was refused in the one way that is promised. */
function refusedWith<Value>(reason: string, make: () => Value): Value | undefined {
  try {
    return make();
  } catch (error) {
    const isPromised = error instanceof GatewayError && error.reason === reason;
    promise(isPromised, () => `an error that is not promised: ${String(error)}`);
    return undefined;
  }
}

/** One range of bytes, without rounding; undefined where it is no single one. */
function rangeByBigInt(text: string, length: bigint): string | undefined {
  const match = /^bytes=([0-9]*)-([0-9]*)$/i.exec(text.trim());
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return undefined;
  const end = length - 1n;
  if (first === '') {
    const suffix = BigInt(last) < length ? BigInt(last) : length;
    return suffix === 0n ? 'unsatisfiable' : `${length - suffix}-${end}`;
  }
  const from = BigInt(first);
  const to = last === '' || BigInt(last) > end ? end : BigInt(last);
  const isReversed = last !== '' && BigInt(last) < from;
  return from >= length || isReversed ? 'unsatisfiable' : `${from}-${to}`;
}

const waits = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '60',
    '1e18',
    'NaN',
    'Infinity',
    '-1',
    '',
    ' 1',
    '1 ',
    '0x1',
    '1.5',
    '.5',
  ),
  fc.double().map(String),
  fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }).map(String),
  fc.string({ unit: 'binary', maxLength: 12 }),
);

function textsOf(grammar: keyof typeof checks): Arbitrary<string> {
  return grammar === 'wait' ? waits : headerValue(grammar);
}

/** The grammars of headers and of `wait`, on their own. */
export const grammars: FuzzTarget = {
  name: 'grammars',
  share: 0.15,
  async open() {
    const names = Object.keys(checks) as (keyof typeof checks)[];
    return openTarget<GrammarInput>({
      inputs: fc.constantFrom(...names).chain((grammar) =>
        fc.record({
          grammar: fc.constant(grammar),
          text: textsOf(grammar),
          byteLength: fc.integer({ min: 1, max: 200 }),
        }),
      ),
      check: ({ grammar, text, byteLength }) => checks[grammar](text, byteLength),
    });
  },
};
