import type { IncomingHttpHeaders } from 'node:http';

/** What a representation is known by: the values that are sent as ETag and Last-Modified. */
export interface Validators {
  readonly etag: string;
  /** Milliseconds since 1970; absent where no Last-Modified is sent. */
  readonly lastModifiedMs?: number;
}

/**
 * What the preconditions of a GET or HEAD lead to (RFC 9110, section 13.2.2):
 * `send` the representation, `not modified` (304), or `failed` (412).
 *
 * An ETag of the request overrules its date, and a date that is not one of
 * HTTP's three forms counts as absent.
 */
export function preconditionOf(
  headers: IncomingHttpHeaders,
  validators: Validators,
): 'send' | 'not modified' | 'failed' {
  const { etag, lastModifiedMs } = validators;
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!matchesStrongly(ifMatch, etag)) return 'failed';
  } else if (isAfter(lastModifiedMs, headers['if-unmodified-since'])) {
    return 'failed';
  }
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return matchesETag(ifNoneMatch, etag) ? 'not modified' : 'send';
  const since = headers['if-modified-since'];
  return isAfter(lastModifiedMs, since) === false ? 'not modified' : 'send';
}

/** Whether If-None-Match names this ETag, by the weak comparison (RFC 9110, section 13.1.2). */
export function matchesETag(ifNoneMatch: string | undefined, etag: string): boolean {
  const opaque = (tag: string) => tag.replace(/^W\//, '');
  const tags = tagsOf(ifNoneMatch);
  return isAny(tags) || tags.some((tag) => opaque(tag) === opaque(etag));
}

/** Whether If-Match names this ETag, by the strong comparison (section 13.1.1): weak ones never match. */
function matchesStrongly(ifMatch: string, etag: string): boolean {
  const tags = tagsOf(ifMatch);
  return isAny(tags) || (!etag.startsWith('W/') && tags.includes(etag));
}

function isAny(tags: readonly string[]): boolean {
  return tags.length === 1 && tags[0] === '*';
}

function tagsOf(list: string | undefined): readonly string[] {
  return list?.split(',').map((tag) => tag.trim()) ?? [];
}

/** Whether a time is later than the date of a header, in whole seconds as dates are; undefined without one of both. */
function isAfter(timeMs: number | undefined, date: string | undefined): boolean | undefined {
  const dateMs = timeFromHttpDate(date);
  if (timeMs === undefined || dateMs === undefined) return undefined;
  return Math.floor(timeMs / 1000) * 1000 > dateMs;
}

const httpDates = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]+day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
] as const;

/**
 * Milliseconds since 1970 of a date in one of HTTP's three forms (RFC 9110,
 * section 5.6.7); undefined for any other text. `Date.parse` alone would take
 * `2030` for a date, and the form without a zone for local time.
 */
export function timeFromHttpDate(text: string | undefined): number | undefined {
  const date = text?.trim() ?? '';
  if (!httpDates.some((form) => form.test(date))) return undefined;
  const ms = Date.parse(date.endsWith(' GMT') ? date : `${date} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The range to send: first and last byte, both inclusive; `whole` when no range applies. */
export type ByteRange = 'whole' | 'unsatisfiable' | { readonly from: number; readonly to: number };

const rangeOfBytes = /^(\d*)-(\d*)$/;

/**
 * Reads a Range header for an image of `byteLength` bytes (RFC 9110, section 14).
 *
 * For other units and for several ranges at once the whole image is sent, as
 * the RFC allows. A range of bytes that can't be read or lies outside the image
 * is unsatisfiable. Empty elements of the list count for nothing (section 5.6.1).
 */
export function byteRangeFromHeader(range: string | undefined, byteLength: number): ByteRange {
  if (range === undefined) return 'whole';
  const text = range.trim();
  if (!/^bytes=/i.test(text)) return 'whole';
  const items = text.slice('bytes='.length).split(',');
  const ranges = items.map((item) => item.trim()).filter((item) => item !== '');
  if (!ranges.every((item) => rangeOfBytes.test(item))) return 'unsatisfiable';
  if (ranges.length > 1) return 'whole';
  const [first = '', last = ''] = rangeOfBytes.exec(ranges[0] ?? '')?.slice(1) ?? [];
  if (first === '' && last === '') return 'unsatisfiable';
  if (first === '') {
    const suffix = Math.min(Number(last), byteLength);
    return suffix === 0 ? 'unsatisfiable' : { from: byteLength - suffix, to: byteLength - 1 };
  }
  const from = Number(first);
  const to = last === '' ? byteLength - 1 : Math.min(Number(last), byteLength - 1);
  return from >= byteLength || from > to ? 'unsatisfiable' : { from, to };
}

/**
 * Whether a Range still applies: If-Range is exactly the ETag or the
 * Last-Modified of what would be sent (RFC 9110, section 13.1.5).
 */
export function ifRangeHolds(ifRange: string | undefined, validators: Validators): boolean {
  if (ifRange === undefined) return true;
  const { etag, lastModifiedMs } = validators;
  const dateMs = timeFromHttpDate(ifRange);
  if (dateMs === undefined) return !etag.startsWith('W/') && ifRange.trim() === etag;
  return lastModifiedMs !== undefined && Math.floor(lastModifiedMs / 1000) * 1000 === dateMs;
}
