/** Digits of a decimal number that a double always keeps. */
const digitsSafe = 15;
/** More digits than any integer type has. A longer number stays as it was written, so that `1e300` stays short. */
const digitsMax = 40;
const parts = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/**
 * The text to use in place of a JSON number that a double would change;
 * undefined for a number that it keeps.
 *
 * An integer is written as its digits. A number that only rounding makes an
 * integer, one too large for a double, and an integer beyond every integer type
 * stay as they were written.
 */
export function exactNumberText(token: string): string | undefined {
  if (token.length <= digitsSafe && !/[eE]/.test(token)) return undefined;
  const value = Number(token);
  // A fraction stays one, and is as exact as a double can be.
  if (Number.isFinite(value) && !Number.isInteger(value)) return undefined;
  const digits = integerDigits(token);
  if (digits === undefined || digits.length > digitsMax) return token;
  return Number.isSafeInteger(value) && BigInt(digits) === BigInt(value) ? undefined : digits;
}

/** All digits of a number that is an integer, or more than `digitsMax` of them; undefined when it is none. */
function integerDigits(token: string): string | undefined {
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = parts.exec(token) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+(?=[0-9])/, '');
  const significant = withoutTrailingZeros(digits);
  if (significant === '') return '0';
  const exponent = Number(exponentText) - fraction.length + (digits.length - significant.length);
  if (exponent < 0) return undefined;
  return `${sign}${significant}${'0'.repeat(Math.min(exponent, digitsMax + 1))}`;
}

/** Not by `/0+$/`, which is quadratic on long runs of zeros that another digit ends. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end -= 1;
  return digits.slice(0, end);
}
