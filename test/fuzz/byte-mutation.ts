import fc, { type Arbitrary } from 'fast-check';

/** Offsets are fractions of the length, so that one mutation fits texts of every length. */
const place = fc.integer({ min: 0, max: 0xffff });
const length = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 600 }) },
);

type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'set'; readonly at: number; readonly text: string }
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'drop'; readonly at: number; readonly length: number }
  | { readonly kind: 'cut'; readonly at: number }
  | {
      readonly kind: 'repeat';
      readonly at: number;
      readonly length: number;
      readonly times: number;
    }
  | { readonly kind: 'move'; readonly at: number; readonly length: number; readonly to: number }
  | { readonly kind: 'splice'; readonly at: number; readonly other: string; readonly from: number };

function mutations(texts: readonly string[], pieces: Arbitrary<string>): Arbitrary<Mutation> {
  const other = fc.constantFrom(...texts);
  const kind = <Kind extends string>(name: Kind) => fc.constant(name);
  const times = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 300 }));
  return fc.oneof(
    fc.record({ kind: kind('flip'), at: place, bit: fc.integer({ min: 0, max: 7 }) }),
    fc.record({ kind: kind('set'), at: place, text: pieces }),
    fc.record({ kind: kind('insert'), at: place, text: pieces }),
    fc.record({ kind: kind('drop'), at: place, length }),
    fc.record({ kind: kind('cut'), at: place }),
    fc.record({ kind: kind('repeat'), at: place, length, times }),
    fc.record({ kind: kind('move'), at: place, length, to: place }),
    fc.record({ kind: kind('splice'), at: place, other, from: place }),
  );
}

function offset(at: number, text: string): number {
  return Math.floor((at / 0x10000) * (text.length + 1));
}

function mutated(text: string, mutation: Mutation): string {
  const at = offset(mutation.at, text);
  const before = text.slice(0, at);
  const behind = text.slice(at);
  switch (mutation.kind) {
    case 'flip': {
      const flipped = (text.charCodeAt(at) || 0) ^ (1 << mutation.bit);
      return before + String.fromCharCode(flipped & 0xff) + behind.slice(1);
    }
    case 'set':
      return before + mutation.text + behind.slice(mutation.text.length);
    case 'insert':
      return before + mutation.text + behind;
    case 'drop':
      return before + behind.slice(mutation.length);
    case 'cut':
      return before;
    case 'repeat':
      return before + behind.slice(0, mutation.length).repeat(mutation.times) + behind;
    case 'move': {
      const rest = before + behind.slice(mutation.length);
      const to = offset(mutation.to, rest);
      return rest.slice(0, to) + behind.slice(0, mutation.length) + rest.slice(to);
    }
    case 'splice':
      return before + mutation.other.slice(offset(mutation.from, mutation.other));
  }
}

/** Any byte, and now and then several. */
export const anyBytes: Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '\0',
    '\n',
    '\r\n',
    '\xff',
    '\x80',
    '\x7f',
    ' ',
    '\t',
    '\xed\xa0\x80',
    '\xc0\x80',
  ),
  fc
    .uint8Array({ minLength: 1, maxLength: 6 })
    .map((bytes) => Buffer.from(bytes).toString('latin1')),
);

/**
 * Texts of latin1 that were right once. The more mutations, the rarer; some have none.
 *
 * @param options.pieces What is put in.
 * @param options.charactersMax Longer ones are cut: repetition of repetition grows fast.
 */
export function mutatedTexts(
  texts: readonly string[],
  options: {
    readonly pieces?: Arbitrary<string>;
    readonly mutationsMax?: number;
    readonly charactersMax?: number;
  } = {},
): Arbitrary<string> {
  const { pieces = anyBytes, mutationsMax = 6, charactersMax = 100_000 } = options;
  return fc
    .tuple(
      fc.constantFrom(...texts),
      fc.array(mutations(texts, pieces), { maxLength: mutationsMax, size: 'max' }),
    )
    .map(([text, steps]) =>
      steps.reduce((made, step) => mutated(made, step).slice(0, charactersMax), text),
    );
}
