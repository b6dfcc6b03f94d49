/** A decimal number of so many digits always survives the way to a double and back. */
const digitsSafe = 15;
/** More than an int64 has; longer integers are out of every range anyway. */
const digitsMax = 25;
const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/**
 * The text to use in place of a JSON number that a double would falsify;
 * undefined for one that it keeps, and for one beyond every integer type.
 */
export function exactNumberText(token: string): string | undefined {
  if (token.length <= digitsSafe && !/[eE]/.test(token)) return undefined;
  const value = Number(token);
  if (!Number.isInteger(value)) return undefined;
  const digits = integerDigits(token);
  if (digits === undefined) return token;
  if (digits.length > digitsMax) return undefined;
  return Number.isSafeInteger(value) && BigInt(digits) === BigInt(value) ? undefined : digits;
}

/** All digits of a number that is an integer; undefined when it is none. Bounded in length. */
function integerDigits(token: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = parts.exec(token) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+(?=\d)/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const exponent = Number(exponentText) - fraction.length + (digits.length - significant.length);
  if (exponent < 0) return undefined;
  return `${sign}${significant}${'0'.repeat(Math.min(exponent, digitsMax + 1))}`;
}
