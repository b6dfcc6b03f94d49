import type { IncomingHttpHeaders } from 'node:http';

/** Longest time a response is held back for the images. */
const waitSecondsMax = 280;
/** How long before the client gives up the gateway responds, so that the client learns why. */
const marginSecondsMax = 2;
/** The same as a share of a short patience, of which two seconds would leave too little. */
const marginShare = 1 / 5;

/** Seconds as JavaScript's and Python's libraries write them: `600`, `59.5`, `1e-05`. */
const secondsPattern = /^[0-9]{1,9}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?$/i;

/**
 * How long a request in OpenAI's form is held back, in seconds: a little less
 * than the patience that the client library states in a header, JavaScript's in
 * `x-stainless-timeout` and Python's in `x-stainless-read-timeout`.
 *
 * The library writes them, not its user: one that can't be read counts as absent.
 */
export function waitSecondsOf(headers: IncomingHttpHeaders): number {
  const patienceS =
    secondsFromHeader(headers['x-stainless-timeout']) ??
    secondsFromHeader(headers['x-stainless-read-timeout']);
  if (patienceS === undefined) return waitSecondsMax;
  const marginS = Math.min(marginSecondsMax, patienceS * marginShare);
  return Math.min(patienceS - marginS, waitSecondsMax);
}

function secondsFromHeader(text: string | string[] | undefined): number | undefined {
  if (typeof text !== 'string' || !secondsPattern.test(text.trim())) return undefined;
  const seconds = Number(text);
  return Number.isFinite(seconds) ? seconds : undefined;
}
